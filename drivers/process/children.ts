/** The marks of this process's own children, for those that overwrite their environment (to set a process title). */
import type { Process, ProcessTable } from './table';

export interface Children {
  /** The table, in which children that dropped their mark still carry it. */
  readonly table: ProcessTable;
  /** Remembers a child. Being its parent is the proof: its pid is not used again before its end is collected. */
  add(child: { readonly pid: number; readonly born: string; readonly mark: string }): void;
  remove(pid: number): void;
}

export function createChildren(table: ProcessTable): Children {
  const children = new Map<number, { readonly born: string; readonly mark: string }>();
  const complete = (entry: Process): Process => {
    const child = children.get(entry.pid);
    return child?.born === entry.born ? { ...entry, mark: child.mark } : entry;
  };
  return {
    table: {
      ...table,
      list: async () => (await table.list()).map(complete),
      async find(pid) {
        const entry = await table.find(pid);
        return entry === undefined ? undefined : complete(entry);
      },
    },
    add: ({ pid, born, mark }) => void children.set(pid, { born, mark }),
    remove: (pid) => void children.delete(pid),
  };
}
