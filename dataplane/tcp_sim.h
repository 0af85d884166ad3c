/* Streams without a network, for simulator and tests: the other end of wcx_tcp_t.

   A client end is named by the number wcx_tcp_sim_connect gives; what one side writes the other reads, in order, whole or in parts. Nothing is lost: loss is
   lwIP's business (tests/unit/test_tcp_lwip.c); what is simulated here is where a stream is cut and how slowly it is read. */
#ifndef WCX_DATAPLANE_TCP_SIM_H
#define WCX_DATAPLANE_TCP_SIM_H

#include "dataplane/tcp.h"

#define WCX_TCP_SIM_NONE UINT32_MAX

/* NONE when the server has no place. */
uint32_t wcx_tcp_sim_connect(wcx_tcp_t *tcp, const wcx_peer_t *from, uint16_t to_port);
/* Bytes taken: fewer than `len` when the window is full. */
uint32_t wcx_tcp_sim_send(wcx_tcp_t *tcp, uint32_t client, const void *data, uint32_t len);
/* Bytes the server has written, up to `max`. */
uint32_t wcx_tcp_sim_recv(wcx_tcp_t *tcp, uint32_t client, void *data, uint32_t max);
/* Whether the server has ended it and everything is read. */
bool wcx_tcp_sim_ended(const wcx_tcp_t *tcp, uint32_t client);
void wcx_tcp_sim_finish(wcx_tcp_t *tcp, uint32_t client); /* FIN */
void wcx_tcp_sim_reset(wcx_tcp_t *tcp, uint32_t client);
void wcx_tcp_sim_forget(wcx_tcp_t *tcp, uint32_t client); /* the number is free again */

#endif
