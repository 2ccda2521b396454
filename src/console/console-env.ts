import type { Context, Hono } from "hono";
import type { AppEnv } from "../http/app-env.ts";
import type { AssetPaths } from "./asset-paths.ts";
import type { LastPages } from "./layout/last-pages.ts";
import type { Session } from "./session/session-cookie.ts";

/** The values of a request of the console, besides those of every request. Before the sign-in there is no session. */
export type ConsoleEnv = {
  Variables: AppEnv["Variables"] & {
    session: Session | undefined;
    assets: AssetPaths;
    lastPages: LastPages;
  };
};

export type ConsoleApp = Hono<ConsoleEnv>;
export type ConsoleContext = Context<ConsoleEnv>;
