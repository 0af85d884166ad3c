/* The parts of wcx-mm, the sample market maker: what its files share.

   Owner: one thread. Uses the client library (session, feed, book, transport) as any market maker would. */
#ifndef WCX_CLIENT_MM_H
#define WCX_CLIENT_MM_H

#include "dataplane/client/session.h"

#define WCX_MM_SESSIONS_MAX 8u

typedef struct wcx_mm_options
{
  const char *server;
  const char *interface;
  double timeout_s;
  uint32_t session_ids[WCX_MM_SESSIONS_MAX];
  uint32_t session_cnt;
} wcx_mm_options_t;

/* The development access key of a session (DEMO-MM-n, demo-secret-n), as the development configuration has it. */
void wcx_mm_session_config(wcx_client_session_config_t *config, uint32_t session_id);

/* Sign on, end in order. Exit status: 0 when Establish was acked. */
int wcx_mm_probe(const wcx_mm_options_t *options);

#endif
