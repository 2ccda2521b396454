import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { ConsoleEnv } from "./console-env.ts";

/** A page loads what comes from the process itself and nothing else; nothing runs or is styled that stands in the page. */
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
