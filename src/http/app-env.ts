/** What the shared middleware leaves in a request's context. `organizationId` is there once a key was accepted. */
export type AppEnv = { Variables: { requestId: string; organizationId?: string } };
