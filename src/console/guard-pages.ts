import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { ConsoleEnv } from "./console-env.ts";

/** A page loads files of this process only; no script and no style inside the page runs. */
const policy = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", "data:"],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/** Gives every page the headers that keep a browser from doing more with it than showing it. */
export function guardPages(): MiddlewareHandler<ConsoleEnv> {
  return secureHeaders({
    contentSecurityPolicy: policy,
    xFrameOptions: "DENY",
    // With "no-referrer" browsers name no origin in a form that they send, and over plain HTTP nothing else tells whose form it is.
    referrerPolicy: "same-origin",
    crossOriginOpenerPolicy: true,
    crossOriginResourcePolicy: true,
    originAgentCluster: false,
    strictTransportSecurity: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
}
