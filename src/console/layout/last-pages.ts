/** The main part of a page as it was last shown, and when. */
export type LastPage = { main: string; at: Date };

export type LastPages = {
  keep: (name: string, page: LastPage) => void;
  find: (name: string) => LastPage | undefined;
};

type LastPagesLimits = { pagesMax: number; charsMax: number };

const limits: LastPagesLimits = { pagesMax: 200, charsMax: 8_000_000 };

/** Keeps the pages that were shown last, the oldest forgotten first, for when the database does not answer. */
export function createLastPages({ pagesMax, charsMax }: LastPagesLimits = limits): LastPages {
  const pages = new Map<string, LastPage>();
  let chars = 0;

  function forget(name: string): void {
    chars -= pages.get(name)?.main.length ?? 0;
    pages.delete(name);
  }

  return {
    keep(name, page) {
      forget(name);
      pages.set(name, page);
      chars += page.main.length;
      for (const oldest of pages.keys()) {
        if (pages.size <= pagesMax && chars <= charsMax) return;
        forget(oldest);
      }
    },
    find: (name) => pages.get(name),
  };
}
