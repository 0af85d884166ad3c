/* What wcx-conform says in words: the schema's names in place of numbers, what came in place of an answer, and what stands in the way of a sign-on. */
#include "dataplane/client/conform.h"

#include "engine/sbe_meta.h"

#include <stdio.h>

const char *wcx_conform_message_name(uint16_t template_id)
{
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  return msg != NULL ? msg->name : "an unknown message";
}

static const char *value_name(const wcx_sbe_field_t *field, uint32_t value)
{
  for (uint32_t i = 0; i < field->ref->value_cnt; i++)
    if (field->ref->values[i].value == value)
      return field->ref->values[i].name;
  return "a value the schema does not have";
}

static const wcx_sbe_field_t *find_field(const wcx_sbe_msg_t *msg, const char *name)
{
  for (uint32_t i = 0; i < msg->field_cnt; i++)
    if (strcmp(msg->fields[i].name, name) == 0)
      return &msg->fields[i];
  return NULL;
}

const char *wcx_conform_value_name(uint16_t template_id, const char *field, uint32_t value)
{
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  return value_name(find_field(msg, field), value);
}

const char *wcx_conform_state_name(enum wcx_client_state state)
{
  static const char *const names[] = {
      [WCX_CLIENT_CLOSED] = "closed", [WCX_CLIENT_ESTABLISHING] = "signing on", [WCX_CLIENT_RECOVERING] = "recovering what it missed",
      [WCX_CLIENT_READY] = "ready",   [WCX_CLIENT_TERMINATING] = "signing off",
  };
  return names[state];
}

/* The reason a message gives, NULL when it gives none. */
static const char *reason_of(const wcx_conform_said_t *said)
{
  static const char *const reasons[] = {"OrdRejReason", "CancelReason", "CxlRejReason", "MassCancelRejectReason", "QuoteRejectReason"};
  const wcx_sbe_msg_t *msg = wcx_sbe_find(wcx_client_message_template(said->bytes, said->sz));
  for (uint32_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
  {
    const wcx_sbe_field_t *field = msg != NULL ? find_field(msg, reasons[i]) : NULL;
    uint16_t value = 0;
    if (field == NULL)
      continue;
    memcpy(&value, said->bytes + sizeof(wcx_message_header_t) + field->off, field->sz);
    return value_name(field, value);
  }
  return NULL;
}

void wcx_conform_instead(const wcx_conform_party_t *party, uint64_t cl_ord_id, char *text, size_t sz)
{
  const wcx_client_request_t *request = wcx_client_session_find(&party->session, cl_ord_id);
  const wcx_conform_said_t *said = wcx_conform_last_about(party, cl_ord_id);
  const char *reason = said != NULL ? reason_of(said) : NULL;
  if (said != NULL)
    snprintf(text, sz, "the last about it was %s%s%s%s", wcx_conform_message_name(wcx_client_message_template(said->bytes, said->sz)), reason != NULL ? "(" : "",
             reason != NULL ? reason : "", reason != NULL ? ")" : "");
  else if (party->refused_id == cl_ord_id)
    snprintf(text, sz, "BusinessMessageReject(%s) came, field tag %u",
             wcx_conform_value_name(WCX_TEMPLATE_BUSINESS_MESSAGE_REJECT, "BusinessRejectReason", party->refusal.business_reject_reason), party->refusal.ref_tag_id);
  else if (request != NULL && request->fate == WCX_CLIENT_NOT_APPLIED)
    snprintf(text, sz, "the request did not arrive");
  else
    snprintf(text, sz, "nothing came about it, the session is %s", wcx_conform_state_name(party->session.state));
}

const char *wcx_conform_sign_on_change(const wcx_conform_party_t *party)
{
  if (party->session.link != NULL && party->session.link->reject_code == 'A')
    return "the SOUP-USER of --credentials must be this session's";
  if (party->session.link != NULL && party->session.link->reject_code == 'S')
    return "a drop copy needs a scope that is agreed with the venue; another port, a session number that this user has";
  switch (party->session.reject_code)
  {
  case 0:
    return "nothing answers: --server and --interface must lead to the venue, and no firewall may stand before UDP 7002 and 7003 or TCP 7001 and 7004 to 7006";
  case WCX_ESTABLISH_REJECT_CODE_CREDENTIALS:
    return "SESSION, ACCESS-KEY-ID and SECRET of --credentials must be those the venue gave you, and the port the one it listens at: it is signed, too (PROTOCOL.md 3.1)";
  case WCX_ESTABLISH_REJECT_CODE_ALREADY_ESTABLISHED:
    return "another program is signed on with this session: end it, or ask to take over (Establish.Flags bit 2)";
  case WCX_ESTABLISH_REJECT_CODE_REQUEST_TIMESTAMP:
    return "the clock of this host must be within 5 seconds of the venue's";
  case WCX_ESTABLISH_REJECT_CODE_STALE_UUID:
    return "a higher UUID was used with this key: the clock of this host has gone back, or another host that uses the key is ahead";
  case WCX_ESTABLISH_REJECT_CODE_SEQUENCE_OUT_OF_RANGE:
    return "what is asked for from its first number is kept no more: run this earlier in the day, or against a quieter venue";
  case WCX_ESTABLISH_REJECT_CODE_SCHEMA_VERSION:
    return "this program is of another schema than the venue: build it from the venue's release";
  default:
    return "the venue does not allow what was asked for: show it this line";
  }
}
