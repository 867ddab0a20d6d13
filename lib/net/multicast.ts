/**
 * The group that queries over IPv6 are sent to: link-local scope (2), and of the transient kind (1)
 * because no registry has assigned it (RFC 4291, section 2.7).
 */
export const GROUP = "ff12::3833:9";
