/* `wcx-bench replay`: how fast a journal becomes an engine again: blocks checked, chained and walked (engine/shm/journal_walk.h), records prefetched and applied,
   both digests kept, what the engine says written to an output log of the appliance's size.

   The journal: a made flow (bench/profile.h) with the definitions it needs, in blocks as full as a worker under full load makes them.

     walk      the walker alone, from memory
     apply     the engine alone: the same records as they lie in memory
     replay    both: a journal in memory
     file      both: files of --dir, read past the page cache
     read      these files read in the same pieces, and nothing else

   Least of --passes of each, in turns, so that what the neighbours do hits all of them. After each, the digests must be those of the live pass that made the
   records, or the run is invalid.

   Owner:      the main thread, one core.
   Memory:     about 900 bytes a record, and as much on the disk of --dir, taken away again.
   Result:     the exit status (cli.h): good whatever the speed; bad when a digest differs or --dir cannot be written.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_REPLAY_H
#define WCX_BENCH_REPLAY_H

int wcx_replay_bench(int argc, char **argv);

#endif
