#include "control/ctl/signing.h"

#include "control/operators.h"

#include <stdio.h>
#include <string.h>

int wcx_ctl_the_shard(const wcx_ctl_t *ctl, uint32_t *shard)
{
  wcx_ctl_shards_t shards;
  int status = wcx_ctl_list_shards(ctl, &shards);
  if (status == WCX_CTL_OK && shards.cnt != 1)
    status = wcx_ctl_fail(WCX_CTL_USAGE, "there are %u shards: say --shard N", shards.cnt);
  if (status == WCX_CTL_OK)
    *shard = shards.shards[0];
  return status;
}

int wcx_ctl_take_reason(const wcx_ctl_t *ctl, char reason[256])
{
  size_t len = strlen(ctl->reason);
  for (size_t i = 0; i < len; i++)
    if (ctl->reason[i] < ' ' || ctl->reason[i] > '~')
      return wcx_ctl_fail(WCX_CTL_USAGE, "--reason must be printable ASCII");
  if (len >= 256)
    return wcx_ctl_fail(WCX_CTL_USAGE, "--reason is longer than 255 characters");
  memcpy(reason, ctl->reason, len + 1);
  return WCX_CTL_OK;
}

int wcx_ctl_take_approvals(const wcx_ctl_t *ctl, const char *verb, wcx_journal_approval_t approvals[2])
{
  if (ctl->approve_cnt != 2)
    return wcx_ctl_fail(WCX_CTL_USAGE, "two --approve NAME:SIGNATURE are needed, of two persons (wcxctl %s)", verb);
  for (uint32_t i = 0; i < 2; i++)
  {
    const char *colon = strchr(ctl->approvals[i], ':');
    wcx_journal_approval_t *approval = &approvals[i];
    size_t len = colon != NULL ? (size_t)(colon - ctl->approvals[i]) : 0;
    if (len == 0 || len >= sizeof(approval->operator_name) || !wcx_operators_read_hex(colon + 1, approval->signature, sizeof(approval->signature)))
      return wcx_ctl_fail(WCX_CTL_USAGE, "--approve '%s': write it as NAME:128 hex digits", ctl->approvals[i]);
    memcpy(approval->operator_name, ctl->approvals[i], len);
  }
  return WCX_CTL_OK;
}

int wcx_ctl_sign_text(const wcx_ctl_t *ctl, const char *text, size_t len, char approval[32 + 129])
{
  if (ctl->key == NULL || ctl->operator_name == NULL || strlen(ctl->operator_name) > 31)
    return wcx_ctl_fail(WCX_CTL_USAGE, "--operator NAME and --key FILE (PEM, Ed25519) are needed");
  char err[300], hex[129];
  uint8_t signature[64];
  if (!wcx_operators_sign(ctl->key, text, len, signature, err, sizeof(err)))
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s", err);
  for (size_t i = 0; i < sizeof(signature); i++)
    snprintf(hex + 2 * i, 3, "%02x", signature[i]);
  snprintf(approval, 32 + 129, "%s:%s", ctl->operator_name, hex);
  return WCX_CTL_OK;
}
