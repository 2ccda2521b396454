export type AssetName = "css" | "script" | "icon" | "htmx" | "plots" | "plotsCss";

/** Where each is: the hash of its bytes is in the name, so that a browser never asks again. */
export type AssetPaths = Record<AssetName, string>;
