import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { findPostgresAccount, giveTo, isOpenTo, type PostgresAccount } from "./postgres-account.ts";
import { copyPostgresBinaries, findPostgresBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
import { runPostgresCommand } from "./postgres-process.ts";
import { makeScratchFolder } from "../processes/scratch-folder.ts";

/** An initialized data folder, and the facts that a server on it needs. */
export type EmbeddedCluster = {
  binaries: PostgresBinaries;
  account: PostgresAccount | undefined;
  /** Temporary; the caller that prepared the cluster removes it. */
  scratchFolder: string;
  dataFolder: string;
  isTemporary: boolean;
  password: string;
};

export type ClusterOptions = {
  medium: "memory" | "disk";
  folder: string | undefined;
  /** Another Postgres than that of node_modules. */
  binaries?: PostgresBinaries | undefined;
  /** Of a new data folder, in place of a random one. */
  password?: string | undefined;
};

/**
 * Makes a data folder with a random password: below `folder`, where a later call finds it again, or temporary. Works
 * for root too, and from a project folder that only root may enter.
 */
export async function prepareCluster(options: ClusterOptions): Promise<EmbeddedCluster> {
  const account = await findPostgresAccount();
  const installed = options.binaries ?? findPostgresBinaries();
  const isInstalledOpen = await isOpenTo(account, installed.postgres);
  // Programs may be forbidden to run from a folder in memory.
  const scratchFolder = await makeScratchFolder(account, isInstalledOpen ? options.medium : "disk");
  try {
    const binaries = isInstalledOpen ? installed : await copyPostgresBinaries(installed, scratchFolder);
    const isTemporary = options.folder === undefined;
    const home =
      options.folder === undefined ? scratchFolder : await makeHome(resolve(options.folder), account);
    const dataFolder = join(home, "data");
    const passwordFile = join(home, "password");
    const unprotected = { binaries, account, scratchFolder, dataFolder, isTemporary };
    if (!existsSync(join(dataFolder, "PG_VERSION"))) {
      await writeFile(passwordFile, options.password ?? randomBytes(16).toString("hex"), { mode: 0o600 });
      await initialize(unprotected, passwordFile);
    }
    return { ...unprotected, password: await readFile(passwordFile, "utf8") };
  } catch (error) {
    await rm(scratchFolder, { recursive: true, force: true });
    throw error;
  }
}

async function makeHome(folder: string, account: PostgresAccount | undefined): Promise<string> {
  await mkdir(folder, { recursive: true });
  if (!(await isOpenTo(account, dirname(folder)))) {
    throw new Error(
      `the account that Postgres runs as cannot enter ${dirname(folder)}: choose another folder`,
    );
  }
  await giveTo(account, folder);
  return folder;
}

async function initialize(cluster: Omit<EmbeddedCluster, "password">, passwordFile: string): Promise<void> {
  await giveTo(cluster.account, passwordFile);
  const args = [
    "-D",
    cluster.dataFolder,
    "-U",
    "postgres",
    `--pwfile=${passwordFile}`,
    "-A",
    "scram-sha-256",
  ];
  args.push(
    "--encoding=UTF8",
    "--locale=C",
    "--no-instructions",
    ...(cluster.isTemporary ? ["--no-sync"] : []),
  );
  await runPostgresCommand({
    binary: cluster.binaries.initdb,
    args,
    account: cluster.account,
    workingFolder: cluster.scratchFolder,
  });
}
