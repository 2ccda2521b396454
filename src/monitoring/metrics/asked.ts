/** What a read of the database is told beside it. */
export type Asked = { billableStatuses: readonly string[] };
