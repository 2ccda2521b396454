type Environment = Record<string, string | undefined>;

/** The variables that a process needs to run at all; none of them configures meter-outbox. */
const inherited = [
  "PATH",
  "HOME",
  "TMPDIR",
  "TMP",
  "TEMP",
  "SystemRoot",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

/**
 * The environment of a child: its own variables and the few that any process needs. A DATABASE_URL or PORT that the
 * terminal happens to have never reaches it.
 */
export function childEnvironment(ambient: Environment, own: Environment): Record<string, string> {
  const kept = inherited.map((name) => [name, ambient[name]] as const);
  return Object.fromEntries(
    [...kept, ...Object.entries(own)].filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}
