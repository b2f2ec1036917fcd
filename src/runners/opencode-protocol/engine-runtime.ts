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
 * With these OpenCode 1.18.33 starts in three quarters of the processor time, and tasks take no more of it: what the
 * compilers cost pays off late, and the first garbage collections find little garbage (docs/decisions/0040).
 *
 * Only for an OpenCode whose child processes do not inherit them: other programs on JavaScriptCore may compute a lot.
 */
export const ENGINE_START = {
  BUN_JSC_useFTLJIT: '0',
  BUN_JSC_thresholdForJITAfterWarmUp: '1000',
  BUN_JSC_thresholdForOptimizeAfterWarmUp: '3000',
  BUN_JSC_largeHeapSize: '268435456',
} as const;

/** A server with many instances should have at least so many mappings. */
export const ENOUGH_MAPPINGS = 262_144;
