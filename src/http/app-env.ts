/** What the shared middleware leaves in a request's context. The last two are there once a key was accepted. */
export type AppEnv = { Variables: { requestId: string; organizationId?: string; keyId?: string } };
