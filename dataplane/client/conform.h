/* The parts of wcx-conform, what a new member runs before going live: what its files share.

   conform_main.c options, the table of rules and its verdict   conform_rig.c two members' sessions, a feed and a book   conform_orders.c order types
   conform_recovery.c lost packets, lost links, both transports   conform_ports.c the other ports, and the book against the feed   conform_words.c names and advice

   A rule is a function that acts as a member would and says whether what came is what PROTOCOL.md promises; the first thing that was not is its reason. Who reads it
   knows PROTOCOL.md and not this program: messages, fields and values have the names they have there, and a rule that fails also says what a member can change.

   Owner:      one thread.
   Memory:     the rig is one static struct; logs of messages grow.
   Units:      price and quantity are mantissas of the instrument.
   Result:     every rule is run unless the sign-on fails; exit status 0 when all passed.
   Bounds:     an answer is waited for patience_ns, a sign-on and the feed twice, many answers three times as long.
   Pinned by:  tests/e2e/test_conform.py. */
#ifndef WCX_CLIENT_CONFORM_H
#define WCX_CLIENT_CONFORM_H

#include "dataplane/client/book.h"
#include "dataplane/client/feed.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/wire.h"

#define WCX_CONFORM_MESSAGE_MAX 192u
#define WCX_CONFORM_UDP_PORT 7002u
#define WCX_CONFORM_TCP_PORT 7001u
#define WCX_CONFORM_REREQUEST_PORT 7003u
#define WCX_CONFORM_PURGE_PORT 7004u
#define WCX_CONFORM_DROP_COPY_PORT 7005u
#define WCX_CONFORM_REPLAY_PORT 7006u
#define WCX_CONFORM_PARTIES_MAX 8u

typedef struct wcx_conform_said
{
  uint64_t number;
  uint16_t sz;
  uint8_t bytes[WCX_CONFORM_MESSAGE_MAX]; /* the first of them */
} wcx_conform_said_t;

typedef struct wcx_conform_key
{
  uint32_t session_id, account;
  char access_key_id[21];
  char secret[65];
  char user[7];
} wcx_conform_key_t;

struct wcx_conform;

/* One binding: the member's, its counterparty's, the member's over TCP and on the other TCP ports. */
typedef struct wcx_conform_party
{
  struct wcx_conform *rig;
  wcx_conform_key_t key;
  wcx_client_session_t session;
  wcx_client_wire_t wire;
  wcx_conform_said_t *said; /* every message, in order */
  uint32_t said_cnt, said_max;
  uint64_t misnumbered_cnt; /* numbers that did not follow the one before */
  uint64_t refused_id;      /* the last request that got a BusinessMessageReject, and that */
  wcx_business_message_reject_t refusal;

  /* what goes wrong on purpose, over UDP */
  uint32_t lose_sent_pct, lose_received_pct, twice_pct, late_pct;
  uint8_t late[WCX_CLIENT_DATAGRAM_MAX]; /* sent behind the next one */
  size_t late_sz;
} wcx_conform_party_t;

typedef struct wcx_conform
{
  wcx_client_transport_t transport;
  wcx_conform_party_t member, other, tcp, spare;
  wcx_conform_party_t *parties[WCX_CONFORM_PARTIES_MAX]; /* those that are open */
  uint32_t party_cnt;
  wcx_client_feed_t feed;
  wcx_client_books_t books;
  uint32_t feed_sockets[3];
  uint32_t security_id;
  int64_t price, qty;
  uint64_t random;
  uint64_t patience_ns; /* how long an answer may take */
  char why[384];        /* the first thing that was not as it should be, of the rule that runs */
  const char *change;   /* what a member can change about just that; NULL: what the table has for the rule */
} wcx_conform_t;

typedef bool wcx_conform_rule_t(wcx_conform_t *rig);

/* --- the rig ---------------------------------------------------------------------------------------- */

void wcx_conform_open(wcx_conform_t *rig, const char *server, const char *interface, const wcx_conform_key_t keys[2]);
void wcx_conform_close(wcx_conform_t *rig);

/* Make a party's session on a port (one of 7001 to 7006). recover_from: first number wanted, 0 from now. */
void wcx_conform_party_open(wcx_conform_t *rig, wcx_conform_party_t *party, const wcx_conform_key_t *key, uint16_t port, uint64_t recover_from);

/* End it in order and forget it. Notes the reason and returns false when its Terminate is not answered. */
bool wcx_conform_party_close(wcx_conform_party_t *party);

/* Wait until it is READY. */
bool wcx_conform_signed_on(wcx_conform_party_t *party);

/* Let everything run: once, for a while, until the party's session is READY with nothing undecided. */
uint64_t wcx_conform_turn(wcx_conform_t *rig);
void wcx_conform_run(wcx_conform_t *rig, uint64_t ns);
bool wcx_conform_settled(wcx_conform_t *rig, wcx_conform_party_t *party);

/* Note the reason when the condition does not hold; returns the condition. */
bool wcx_conform_says(wcx_conform_t *rig, bool condition, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A number below `below`. */
uint64_t wcx_conform_roll(wcx_conform_t *rig, uint64_t below);

/* A plain limit order of the party to change and send. */
wcx_new_order_single_t wcx_conform_limit(const wcx_conform_t *rig, const wcx_conform_party_t *party, uint8_t side, int64_t price, int64_t qty, uint8_t time_in_force);

/* Send it under the next ClOrdID, which is returned; 0 when the session does not take it. */
uint64_t wcx_conform_send(wcx_conform_party_t *party, wcx_new_order_single_t order);

/* Send any request whose ClOrdID is written already. */
bool wcx_conform_send_bytes(wcx_conform_party_t *party, const uint8_t *message, size_t sz);

/* Wait for a message about the party's ClOrdID and copy its block. Notes the reason when none comes. */
bool wcx_conform_expect(wcx_conform_party_t *party, uint16_t template_id, uint64_t cl_ord_id, void *block, size_t block_sz);

/* The last message about a ClOrdID, the request of a cancel included; NULL when none came. */
const wcx_conform_said_t *wcx_conform_last_about(const wcx_conform_party_t *party, uint64_t cl_ord_id);

/* How many messages of a template about a ClOrdID have come. */
uint32_t wcx_conform_count(const wcx_conform_party_t *party, uint16_t template_id, uint64_t cl_ord_id);

/* Wait until the book built from the feed shows so much of an order at that price; 0: does not show it. */
bool wcx_conform_shows(wcx_conform_t *rig, uint64_t order_id, int64_t price, int64_t qty);

/* Cancel every order of both members. */
bool wcx_conform_clean(wcx_conform_t *rig);

/* --- words ------------------------------------------------------------------------------------------ */

/* As PROTOCOL.md has them. `field`: an enumeration of that message. */
const char *wcx_conform_message_name(uint16_t template_id);
const char *wcx_conform_value_name(uint16_t template_id, const char *field, uint32_t value);
const char *wcx_conform_state_name(enum wcx_client_state state);

/* What became of a request in place of the answer that was waited for. */
void wcx_conform_instead(const wcx_conform_party_t *party, uint64_t cl_ord_id, char *text, size_t sz);

/* What a member can change about a sign-on that failed. */
const char *wcx_conform_sign_on_change(const wcx_conform_party_t *party);

/* --- rules ------------------------------------------------------------------------------------------ */

wcx_conform_rule_t wcx_conform_limit_order, wcx_conform_cancel, wcx_conform_replace, wcx_conform_trade, wcx_conform_ioc, wcx_conform_fok, wcx_conform_gtd, wcx_conform_day,
    wcx_conform_market, wcx_conform_market_to_limit, wcx_conform_post_only, wcx_conform_iceberg, wcx_conform_hidden, wcx_conform_min_qty, wcx_conform_stop, wcx_conform_stop_limit,
    wcx_conform_self_match, wcx_conform_quotes, wcx_conform_mass_cancel, wcx_conform_rejects;

wcx_conform_rule_t wcx_conform_sign_on, wcx_conform_credentials, wcx_conform_loses_received, wcx_conform_loses_sent, wcx_conform_silence, wcx_conform_tcp_sign_on,
    wcx_conform_tcp_same, wcx_conform_tcp_trade, wcx_conform_tcp_cut, wcx_conform_purge, wcx_conform_drop_copy, wcx_conform_replay, wcx_conform_book, wcx_conform_sign_off;

#endif
