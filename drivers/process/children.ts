/**
 * Remembers the marks of this process's own children. A child that overwrites its environment (to set a process title)
 * loses its mark from the process table.
 */
import type { Process, ProcessTable } from './table';

export interface Children {
  /** The process table, with the remembered mark put back into each child. */
  readonly table: ProcessTable;
  /**
   * Remembers a child. The mark needs no other proof: the kernel does not reuse the pid of a child before its parent has
   * collected its exit status.
   */
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
