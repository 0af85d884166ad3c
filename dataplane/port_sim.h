/* The other end of the simulated port: what a test or the simulator does to the wire.

   wcx_port_open(kind, name, ...) of port_sim.c attaches to the wire of that name; any number of wires exist side by side (two shards: two wires).
   A wire outlives its port: frames sent to a wire without a port are lost, as with a dead process; opening again attaches a new port.

   Each frame that leaves and each burst that comes in passes a crash point of env.h.

   Owner:     one thread.
   Memory:    a wire holds WCX_WIRE_FRAMES_MAX frames each way, allocated when it is made; what does not fit is lost and counted.
   Result:    counts and flags; nothing here fails otherwise.
   Pinned by: tests/unit/test_port_sim.c. */
#ifndef WCX_DATAPLANE_PORT_SIM_H
#define WCX_DATAPLANE_PORT_SIM_H

#include "dataplane/port.h"

#define WCX_WIRE_FRAMES_MAX 8192u

typedef struct wcx_wire wcx_wire_t;

/* The wire of that name, made on first use. */
wcx_wire_t *wcx_wire_get(const char *name);
/* Free the wire. Its port, if any, must be closed before. */
void wcx_wire_drop(wcx_wire_t *wire);
/* As it was made: empty, without faults, counts 0. Its port, if any, must be closed before. */
void wcx_wire_reset(wcx_wire_t *wire);

/* Put a frame on the wire towards the port. False when it was lost (no room, no port, or by a fault below). */
bool wcx_wire_send(wcx_wire_t *wire, const void *data, uint32_t len);
/* Take the oldest frame the port sent: its length, or 0. `data` has room for WCX_FRAME_SZ_MAX bytes. */
uint32_t wcx_wire_recv(wcx_wire_t *wire, void *data);
uint32_t wcx_wire_pending(const wcx_wire_t *wire); /* frames wcx_wire_recv would give */

/* Faults, all off at first. Probabilities are in units of 1/65536 per frame; the seed makes them repeatable. */
typedef struct wcx_wire_faults
{
  uint64_t seed;
  uint32_t to_port_loss, to_port_dup, to_port_reorder; /* reorder: the frame changes places with the one before it that is still waiting */
  uint32_t from_port_loss, from_port_dup, from_port_reorder;
  uint32_t to_port_corrupt, from_port_corrupt; /* one bit of the frame is turned, any of them; of a frame that comes twice, in the first copy */
  uint32_t to_port_late, from_port_late;       /* the frame is kept back and comes after a good many of its successors */
  uint32_t tx_room;                            /* frames wcx_port_tx takes per call: 0 = all */
  uint32_t alloc_fail;                         /* 1: wcx_port_alloc has nothing */
} wcx_wire_faults_t;
void wcx_wire_set_faults(wcx_wire_t *wire, const wcx_wire_faults_t *faults);

/* Counters since the wire was made. */
typedef struct wcx_wire_counts
{
  uint64_t to_port, to_port_lost, from_port, from_port_lost;
  uint64_t duplicated, corrupted, reordered, late; /* both ways */
} wcx_wire_counts_t;
wcx_wire_counts_t wcx_wire_counts(const wcx_wire_t *wire);

#endif
