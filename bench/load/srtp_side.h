// SRTP for one side of every call, or stubs when built without libsrtp2: AES_CM_128_HMAC_SHA1_80 (RFC 3711) by keys of
// 30 bytes, AEAD_AES_128_GCM (RFC 7714) by keys of 28.
#ifndef TRUNKLINE_BENCH_SRTP_SIDE_H
#define TRUNKLINE_BENCH_SRTP_SIDE_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_SRTP
#include <srtp2/srtp.h>

enum { CM_KEY_BYTES = 30, GCM_KEY_BYTES = 28 };

static srtp_t *srtp_out, *srtp_in;

static inline int base64_decode(const char *text, uint8_t *out, int capacity) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned accumulator = 0;
    int bits = 0, length = 0;
    for (const char *digit; *text && (digit = strchr(alphabet, *text)); text++) {
        accumulator = accumulator << 6 | (unsigned)(digit - alphabet);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (length < capacity)
            out[length++] = (uint8_t)(accumulator >> bits);
        accumulator &= (1u << bits) - 1;
    }
    return length;
}

static inline int srtp_session(srtp_t *session, const char *base64_key, srtp_ssrc_type_t direction) {
    uint8_t key[64] = {0};
    int length = base64_decode(base64_key, key, sizeof key);
    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    if (length == CM_KEY_BYTES) {
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    } else if (length == GCM_KEY_BYTES) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        return 0;
    }
    policy.ssrc.type = direction;
    policy.key = key;
    policy.window_size = 1024;
    return srtp_create(session, &policy) == srtp_err_status_ok;
}

static inline int srtp_side_add(int call, int calls, const char *key_to_relay, const char *key_from_relay) {
    if (!srtp_out) {
        srtp_init();
        srtp_out = calloc((size_t)calls, sizeof *srtp_out);
        srtp_in = calloc((size_t)calls, sizeof *srtp_in);
    }
    return srtp_session(&srtp_out[call], key_to_relay, ssrc_any_outbound) &&
           srtp_session(&srtp_in[call], key_from_relay, ssrc_any_inbound);
}

static inline int srtp_side_protect(uint32_t call, uint8_t *packet, int length) {
    srtp_protect(srtp_out[call], packet, &length);
    return length;
}

static inline int srtp_side_unprotect(uint32_t call, uint8_t *packet, int length) {
    return srtp_unprotect(srtp_in[call], packet, &length) == srtp_err_status_ok;
}
#else
static inline int srtp_side_add(int call, int calls, const char *to_relay, const char *from_relay) {
    (void)call, (void)calls, (void)to_relay, (void)from_relay;
    fprintf(stderr, "built without SRTP: install libsrtp2-dev\n");
    return 0;
}
static inline int srtp_side_protect(uint32_t call, uint8_t *packet, int length) {
    (void)call, (void)packet;
    return length;
}
static inline int srtp_side_unprotect(uint32_t call, uint8_t *packet, int length) {
    (void)call, (void)packet, (void)length;
    return 0;
}
#endif
#endif
