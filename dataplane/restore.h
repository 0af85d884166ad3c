/* From the window of a snapshot to the numbers and places that a replay of everything before it would have left: sessions, feed and drop copies.

   Owner:      the loop's thread, before it receives.
   Order:      the engine is that of the snapshot; nothing has passed the gate yet.
   Result:     NULL; else why the window cannot be used: then sessions, feed, drop copies and log are as they were before.
   Invariants: what may be asked for again, and under which number, is what a gate that passed every input up to the snapshot's would say.
   Pinned by:  tests/property/test_loop_snapshot.c. */
#ifndef WCX_DATAPLANE_RESTORE_H
#define WCX_DATAPLANE_RESTORE_H

#include "dataplane/gate.h"
#include "engine/shm/snapshot_file.h"

/* streams and window: as checked by wcx_snapshot_check and wcx_window_sound. */
const char *wcx_restore_window(wcx_gate_t *gate, const wcx_snapshot_file_t *hdr, const uint8_t *streams, const uint8_t *window);

#endif
