/**
 * What keeps an OpenCode server on this host from growing until it hangs; the user's environment overrides it.
 *
 * OpenCode runs on JavaScriptCore, which sizes its heap by the memory of the machine. Its allocator marks
 * free pages one by one, which splits the address space: beyond about 2 GB of heap there are more mappings
 * than `vm.max_map_count` allows (65,530 by default), and the allocator then repeats a system call for ever
 * (WebKit bug 319025). A smaller machine, as far as it knows, makes it collect before that.
 */
export const ENGINE_MEMORY = { BUN_JSC_forceRAMSize: '2500000000' } as const;

/** Fewer mappings than this are few for a server with many instances. */
export const ENOUGH_MAPPINGS = 262_144;
