/* One TCP link that speaks SoupBinTCP 3.0, from the client's end: login, framing, heartbeats. No sockets: bytes in, bytes out.

        DOWN --dial--> CONNECTING --up--> LOGIN --Login Accepted--> OPEN
         ^                                  |                        |
         +---- down: Login Rejected, end of session, silence, bytes that are no SoupBinTCP ----+

   A packet is a length (u16be, counts the type), a type and a payload; bytes may be cut anywhere.

   Owner:      one thread.
   Memory:     all inside the struct; a message handed out by take lives until the next take.
   Units:      monotonic ns, passed in.
   Bounds:     one packet holds at most WCX_CLIENT_LINK_MESSAGE_MAX bytes of message; what is not written yet, at most WCX_CLIENT_LINK_OUT_MAX.
   Invariants: nothing but a login leaves before OPEN; a link that broke says so once and takes nothing more.
   Pinned by:  tests/unit/test_client_link.c. */
#ifndef WCX_CLIENT_LINK_H
#define WCX_CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_CLIENT_LINK_MESSAGE_MAX 1400u
#define WCX_CLIENT_LINK_OUT_MAX 65536u

enum wcx_client_link_state
{
  WCX_CLIENT_LINK_DOWN = 1,
  WCX_CLIENT_LINK_CONNECTING = 2,
  WCX_CLIENT_LINK_LOGIN = 3,
  WCX_CLIENT_LINK_OPEN = 4,
};

enum wcx_client_link_event
{
  WCX_CLIENT_LINK_NOTHING = 1, /* all bytes are used up */
  WCX_CLIENT_LINK_ACCEPTED = 2,
  WCX_CLIENT_LINK_MESSAGE = 3,
  WCX_CLIENT_LINK_BROKEN = 4, /* the link is DOWN now: hang up */
  WCX_CLIENT_LINK_ENDED = 5,  /* the same, in order: its stream is over, the next login asks for the one the port has then, from its beginning */
};

typedef struct wcx_client_link
{
  enum wcx_client_link_state state;
  char user[6]; /* padded with spaces */
  char password[10];
  char session[10];      /* asked for, and what Login Accepted must name; spaces: what it named */
  bool any_stream;       /* the name is the server's; it is blank again when that stream is over */
  uint64_t number;       /* asked for; from Login Accepted on: of the next sequenced message */
  uint64_t heartbeat_ns; /* silence of ours after which we say something */
  uint64_t since_ns;     /* when the state began */
  uint64_t last_rx_ns;
  uint64_t last_tx_ns;
  char reject_code; /* of the last Login Rejected ('A' or 'S'), 0 none */

  uint8_t in[2 + 1 + WCX_CLIENT_LINK_MESSAGE_MAX]; /* the packet that is arriving */
  uint32_t in_sz;
  bool in_taken; /* it was handed out */

  uint8_t out[WCX_CLIENT_LINK_OUT_MAX];
  uint32_t out_begin, out_end; /* not written yet */
} wcx_client_link_t;

/* session_id 0: whichever stream the port has; such a one ends with End of Session, or when it is known no more at a login. user: up to 6 characters, password: up to 10.
   keep_alive_ms: how often the peer is promised to hear from us; never less than once a second. */
void wcx_client_link_init(wcx_client_link_t *link, uint32_t session_id, const char *user, const char *password, uint32_t keep_alive_ms);

/* A connection is being made; number: first sequenced message wanted, 0 = the next there will be. */
void wcx_client_link_dial(wcx_client_link_t *link, uint64_t now_ns, uint64_t number);

/* The connection stands: the login is ready to be written. */
void wcx_client_link_up(wcx_client_link_t *link, uint64_t now_ns);

/* The connection is gone, or is to go: forget every byte. */
void wcx_client_link_down(wcx_client_link_t *link, uint64_t now_ns);

/* Use bytes from *at on, up to end, until something happened. For MESSAGE, *message and *sz are the payload of a sequenced packet and link->number is its
   number: the caller counts it (what the server sends last is not counted: EstablishReject, a Terminate that ends the link). */
enum wcx_client_link_event wcx_client_link_take(wcx_client_link_t *link, uint64_t now_ns, const uint8_t **at, const uint8_t *end, const uint8_t **message, size_t *sz);

/* Queue a message as an unsequenced packet. False when the link is not OPEN or the queue has no room: the server has stopped reading. */
bool wcx_client_link_send(wcx_client_link_t *link, const void *message, size_t sz);

/* Heartbeats. False when the server has been silent too long, or the login took too long: the link is DOWN now, hang up. */
bool wcx_client_link_step(wcx_client_link_t *link, uint64_t now_ns);

/* What is to be written next; 0 bytes: nothing. */
const uint8_t *wcx_client_link_out(const wcx_client_link_t *link, size_t *sz);

/* So much of it was written. */
void wcx_client_link_written(wcx_client_link_t *link, uint64_t now_ns, size_t sz);

#endif
