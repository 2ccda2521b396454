const start = "/console";
/** Of each kind of page, links that differ in ids and times only lead to the same. */
const pagesMax = 120;
const ids = /[0-9a-f]{8}-[0-9a-f-]{27}|\b(?:evt|cus|in|sub|req)_\w+|\d{4}-\d\d-\d\dT[\d:.]+Z|freezer-\d+/gi;

/**
 * The pages that links lead to from the start page, one of each kind: those whose addresses differ only in ids and times are
 * one kind. What a page renews by itself counts too. Forms that change something are not sent.
 */
export async function findPages(read: (path: string) => Promise<string>): Promise<string[]> {
  const found = new Map([[start, start]]);
  for (const path of found.values()) {
    for (const link of linksIn(await read(path))) {
      const kind = kindOf(link);
      if (!found.has(kind) && found.size < pagesMax) found.set(kind, link);
    }
  }
  return [...found.values()];
}

function linksIn(html: string): string[] {
  return [...html.matchAll(/(?:href|hx-get)="(\/console[^"#]*)/g)]
    .map(([, link = ""]) => link.replaceAll("&amp;", "&"))
    .filter((link) => !link.includes("/assets/"));
}

function kindOf(link: string): string {
  return decodeURIComponent(link).replaceAll(ids, "…");
}
