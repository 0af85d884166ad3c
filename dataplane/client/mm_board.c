/* The live board: a screen when stdout is a terminal, else a line a second. */
#include "dataplane/client/mm.h"

#include <ncurses.h>
#include <poll.h>
#include <stdarg.h>
#include <unistd.h>

typedef struct board
{
  bool screen;
  uint64_t at_ns;
  uint64_t sent, acks, trades, md;
} board_t;

static board_t board;

static uint64_t sent_cnt(const wcx_mm_t *mm)
{
  uint64_t sent = 0;
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    sent += mm->makers[i].session.sent_cnt;
  return sent;
}

void wcx_mm_board_open(wcx_mm_t *mm)
{
  board = (board_t){.at_ns = mm->now_ns};
  board.screen = mm->options->board == 1 || (mm->options->board < 0 && isatty(STDOUT_FILENO));
  board.screen = board.screen && newterm(NULL, stdout, stdin) != NULL; /* a terminal nobody knows (TERM) gets lines */
  if (!board.screen)
    return;
  noecho();
  curs_set(0);
  nodelay(stdscr, TRUE);
}

bool wcx_mm_board_wants_end(wcx_mm_t *mm)
{
  (void)mm;
  struct pollfd terminal = {.fd = STDIN_FILENO};
  bool gone = board.screen && poll(&terminal, 1, 0) > 0 && (terminal.revents & POLLHUP) != 0; /* the kernel tells only the session's leader */
  return gone || (board.screen && getch() == 'q');
}

static const char *state_name(enum wcx_client_state state)
{
  static const char *names[] = {"?", "closed", "signing on", "recovering", "ready", "ending"};
  return names[state];
}

typedef struct view
{
  double orders, acks, trades, md; /* a second */
  uint32_t p50, p99;
  uint64_t gaps, recovered;
  uint32_t undecided;
} view_t;

static view_t look(wcx_mm_t *mm)
{
  view_t view = {0};
  double seconds = (double)(mm->now_ns - board.at_ns) / 1e9;
  if (seconds < 0.001)
    seconds = 0.001;
  uint64_t sent = sent_cnt(mm);
  view.orders = (double)(sent - board.sent) / seconds;
  view.acks = (double)(mm->ack_cnt - board.acks) / seconds;
  view.trades = (double)(mm->trade_cnt - board.trades) / seconds;
  view.md = (double)(mm->md_cnt - board.md) / seconds;
  view.p50 = (uint32_t)(wcx_hist_percentile(&mm->rtt_second, 500000) / 1000);
  view.p99 = (uint32_t)(wcx_hist_percentile(&mm->rtt_second, 990000) / 1000);
  mm->rtt_second = (wcx_hist_t){0};
  view.gaps = wcx_client_feed_gaps(&mm->feed);
  view.recovered = mm->feed.stream.hole_recovered_cnt;
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    view.undecided += mm->makers[i].session.undecided_cnt;
  board.at_ns = mm->now_ns;
  board.sent = sent;
  board.acks = mm->ack_cnt;
  board.trades = mm->trade_cnt;
  board.md = mm->md_cnt;
  return view;
}

static void format_released(const wcx_mm_t *mm, char *text, size_t sz)
{
  if (mm->status_known)
    snprintf(text, sz, "generated %llu released %llu lag %lld", (unsigned long long)mm->applied_seq, (unsigned long long)mm->release_seq,
             (long long)(mm->applied_seq - mm->release_seq));
  else
    snprintf(text, sz, "generated - released - lag -");
}

static void format_px(char *text, size_t sz, const wcx_client_instrument_t *instrument, uint8_t side)
{
  int64_t price, qty;
  if (wcx_client_books_best(instrument, side, &price, &qty))
    snprintf(text, sz, "%lld x %lld", (long long)price, (long long)qty);
  else
    snprintf(text, sz, "-");
}

/* One line, cut at the right edge: a line that wraps would be overwritten by the next. */
__attribute__((format(printf, 2, 3))) static void put(int row, const char *fmt, ...)
{
  char text[256];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof(text), fmt, args);
  va_end(args);
  mvaddnstr(row, 0, text, COLS);
}

static void show_screen(wcx_mm_t *mm, const view_t *view)
{
  char text[128];
  int row = 0;
  erase();
  put(row++, "wcx market makers   %.0f s   (q ends)", (double)(mm->now_ns - mm->start_ns) / 1e9);
  row++;
  put(row++, "  orders/s %10.0f   acks/s %10.0f   trades/s %9.0f   md/s %10.0f", view->orders, view->acks, view->trades, view->md);
  put(row++, "  orders   %10llu   acks   %10llu   trades   %9llu   md   %10llu", (unsigned long long)board.sent, (unsigned long long)mm->ack_cnt, (unsigned long long)mm->trade_cnt,
      (unsigned long long)mm->md_cnt);
  format_released(mm, text, sizeof(text));
  put(row++, "  %s   undecided %u", text, view->undecided);
  put(row++, "  round trip of the last second: p50 %u us  p99 %u us", view->p50, view->p99);
  put(row++, "  gaps %llu  recovered %llu", (unsigned long long)view->gaps, (unsigned long long)view->recovered);
  row++;
  for (uint32_t i = 0; i < mm->options->session_cnt; i++)
    put(row++, "  session %u  %-10s  live orders %u", mm->options->session_ids[i], state_name(mm->makers[i].session.state), mm->makers[i].live_cnt);
  row++;
  put(row++, "  %-12s %20s   %-20s %11s %9s", "instrument", "bid", "ask", "last", "trades");
  for (uint32_t i = 0; i < mm->books.instrument_cnt && row < LINES; i++)
  {
    const wcx_client_instrument_t *instrument = &mm->books.instruments[i];
    char bid[48], ask[48], last[24] = "-";
    format_px(bid, sizeof(bid), instrument, WCX_SIDE_BUY);
    format_px(ask, sizeof(ask), instrument, WCX_SIDE_SELL);
    if (instrument->last_px != WCX_I64_NULL)
      snprintf(last, sizeof(last), "%lld", (long long)instrument->last_px);
    put(row++, "  %-12.12s %20s   %-20s %11s %9llu", instrument->defined ? instrument->definition.symbol : "?", bid, ask, last, (unsigned long long)instrument->trade_cnt);
  }
  refresh();
}

static void show_line(wcx_mm_t *mm, const view_t *view)
{
  char released[128], bid[48] = "-", ask[48] = "-";
  format_released(mm, released, sizeof(released));
  const wcx_client_instrument_t *first = mm->books.instrument_cnt != 0 ? &mm->books.instruments[0] : NULL;
  if (first != NULL)
  {
    format_px(bid, sizeof(bid), first, WCX_SIDE_BUY);
    format_px(ask, sizeof(ask), first, WCX_SIDE_SELL);
  }
  printf("%4.0f s  orders/s %.0f  acks/s %.0f  trades/s %.0f  md/s %.0f  %s  undecided %u  rtt p50 %u us p99 %u us  gaps %llu  %.24s %s | %s\n",
         (double)(mm->now_ns - mm->start_ns) / 1e9, view->orders, view->acks, view->trades, view->md, released, view->undecided, view->p50, view->p99,
         (unsigned long long)view->gaps, first != NULL && first->defined ? first->definition.symbol : "-", bid, ask);
  fflush(stdout);
}

void wcx_mm_board_show(wcx_mm_t *mm)
{
  view_t view = look(mm);
  if (board.screen)
    show_screen(mm, &view);
  else
    show_line(mm, &view);
}

void wcx_mm_board_close(wcx_mm_t *mm)
{
  (void)mm;
  if (board.screen)
    endwin();
  board.screen = false;
}
