/**
 * Keeps an OpenCode server from growing until it hangs; the user's environment overrides it.
 *
 * OpenCode runs on JavaScriptCore, which sizes its heap by the memory of the machine. Its allocator marks
 * free pages one by one, which splits the address space: beyond about 2 GB of heap there are more mappings
 * than `vm.max_map_count` allows (65,530 by default), and the allocator then repeats a system call without end
 * (WebKit bug 319025). With a smaller RAM size it collects garbage before that.
 */
export const ENGINE_MEMORY = { BUN_JSC_forceRAMSize: '2500000000' } as const;

/** A server with many instances should have at least so many mappings. */
export const ENOUGH_MAPPINGS = 262_144;
