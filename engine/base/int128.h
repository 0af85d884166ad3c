/* 128-bit integers, for products of price and quantity and for mixing: a compiler extension, named once. */
#ifndef WCX_BASE_INT128_H
#define WCX_BASE_INT128_H

__extension__ typedef __int128 wcx_i128_t;
__extension__ typedef unsigned __int128 wcx_u128_t;

#endif
