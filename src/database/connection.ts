import pg from "pg";

const unopened = new WeakSet<Error>();

type Opened = ((error: Error) => void) | ((error: null, client: pg.Client) => void);

/** Whether the error kept a connection of ours from being opened, whatever its code: nothing was asked on it. */
export function keptFromOpening(error: Error): boolean {
  return unopened.has(error);
}

/** The error of a connection that is opened and must not be used. */
export function refuseConnection(message: string): Error {
  const error = new Error(message);
  unopened.add(error);
  return error;
}

/**
 * A connection that remembers the error which kept it from being opened. A log-in that the server refuses (a new password, a
 * changed pg_hba.conf, a database that was renamed) and a certificate that has run out have codes that say something else
 * where a statement fails with them, or none.
 */
export class Connection extends pg.Client {
  override connect(): Promise<pg.Client>;
  override connect(opened: Opened): void;
  override connect(opened?: Opened): Promise<pg.Client> | undefined {
    if (opened === undefined) return super.connect();
    super.connect((error: Error | null) => {
      if (error !== null && error !== undefined) unopened.add(error);
      Reflect.apply(opened, undefined, [error, this]);
    });
    return undefined;
  }
}
