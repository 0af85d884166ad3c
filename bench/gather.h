/* `wcx-bench gather`: one run folder of several measurements that other processes make.

   The folder is opened first, so that what it says of the host is what was so before anything ran; then it waits for lines on standard input, fields separated by tabs:

       hist     TAG FILE [OF]           every interval of a log (of those with the tag OF), as TAG
       run      FOLDER COMMAND [GROUP]  figures and charts of another run's folder, measured by COMMAND; with GROUP its histograms, too, as GROUP/ and their tag
                                        unless that names a group itself
       row      WHAT RESULT AGAINST COMMAND [VERDICT]     held, missed
       figure   NAME FILE               an <svg> element
       result   JSON                    what result.json shall hold
       invalid  REASON                  what was measured was not right
       end                              everything was said; without it the run is invalid

   Owner:      the main thread.
   Result:     exit status 0, the folder's path on standard output; 1: the run is invalid, a line cannot be understood, or a file not be read or written; 2: a wrong command line.
   Bounds:     WCX_RUN_FOLDER_ROWS_MAX rows, WCX_RUN_FOLDER_FIGURES_MAX figures, WCX_RUN_FOLDER_HISTS_MAX tags.
   Pinned by:  tests/bench/test_gather.py. */
#ifndef WCX_BENCH_GATHER_H
#define WCX_BENCH_GATHER_H

int wcx_gather_bench(int argc, char **argv);

#endif
