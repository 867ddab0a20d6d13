export { ListedTree } from "../store/listed_tree.ts";
