/**
 * Keeps an OpenCode server from growing until it hangs; the user's environment overrides it.
 *
 * OpenCode runs on JavaScriptCore, which sizes its heap by the memory of the machine. Its allocator marks
 * free pages one by one, which splits the address space: beyond about 2 GB of heap there are more mappings
 * than `vm.max_map_count` allows (65,530 by default), and the allocator then repeats a system call without end
 * (WebKit bug 319025). With a smaller RAM size it collects garbage before that.
 */
export const ENGINE_MEMORY = { BUN_JSC_forceRAMSize: '2500000000' } as const;

/**
 * With these OpenCode 1.18.33 starts in four fifths of the processor time, and tasks take less of it too: what the
 * optimizing compiler costs does not pay off, and the first garbage collections find little garbage. The most memory
 * in use grows by 35 MB, in 440 (docs/decisions/0040).
 *
 * Only for an OpenCode whose child processes do not inherit them: other programs on JavaScriptCore may compute a lot.
 */
export const ENGINE_START = { BUN_JSC_useFTLJIT: '0', BUN_JSC_largeHeapSize: '268435456' } as const;

/** A server with many instances should have at least so many mappings. */
export const ENOUGH_MAPPINGS = 262_144;
