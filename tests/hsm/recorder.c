/* A PKCS#11 library that passes every call on to another, and writes down each buffer that goes by.
 *
 *   RECORDED_LIBRARY   the library that does the work
 *   RECORD             the file that buffers are appended to, raw, one after another
 *
 * For tests: whatever a host passes to a token or gets from it is in that file.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long U;
typedef unsigned char B;
typedef struct { U type; void *value; U length; } ATTRIBUTE;
typedef struct { U mechanism; void *parameter; U length; } MECHANISM;
typedef struct { B version[2]; void *functions[68]; } LIST;
enum { CREATE = 20, COPY = 21, GET = 24, SET = 25, FIND = 26, ENCRYPT_INIT = 29, ENCRYPT = 30, DECRYPT_INIT = 33,
       DECRYPT = 34, SIGN_INIT = 42, SIGN = 43, GENERATE = 58, GENERATE_PAIR = 59, WRAP = 60, UNWRAP = 61, DERIVE = 62,
       RANDOM = 64 };

static LIST *real, proxy;
#define REAL(place, ...) ((U (*)())real->functions[place])(__VA_ARGS__)

static void note(const void *buffer, U length) {
    static FILE *record;
    if (!record) record = fopen(getenv("RECORD"), "ab");
    if (!buffer || length == (U)-1 || length > 1 << 24) return;
    fwrite(buffer, 1, length, record), fwrite("\n--\n", 1, 4, record), fflush(record);
}

static void note_all(ATTRIBUTE *attributes, U count) {
    for (U i = 0; i < count; i++) note(attributes[i].value, attributes[i].length);
}

/* A parameter, and what a pointer and a length in it lead to (CK_KEY_DERIVATION_STRING_DATA). */
static void note_how(MECHANISM *how) {
    note(how->parameter, how->length);
    if (how->length == 16 && how->mechanism >= 0x1100 && how->mechanism <= 0x1105)
        note(*(void **)how->parameter, ((U *)how->parameter)[1]);
    if (how->length == 24 && how->mechanism >= 0x1100 && how->mechanism <= 0x1105)
        note(((void **)how->parameter)[1], ((U *)how->parameter)[2]);
}

static U create(U s, ATTRIBUTE *t, U n, U *o) { note_all(t, n); return REAL(CREATE, s, t, n, o); }
static U copy(U s, U from, ATTRIBUTE *t, U n, U *o) { note_all(t, n); return REAL(COPY, s, from, t, n, o); }
static U set(U s, U o, ATTRIBUTE *t, U n) { note_all(t, n); return REAL(SET, s, o, t, n); }
static U find(U s, ATTRIBUTE *t, U n) { note_all(t, n); return REAL(FIND, s, t, n); }
static U get(U s, U o, ATTRIBUTE *t, U n) { U r = REAL(GET, s, o, t, n); note_all(t, n); return r; }

static U init(int place, U s, MECHANISM *how, U key) { note_how(how); return REAL(place, s, how, key); }
static U encrypt_init(U s, MECHANISM *how, U key) { return init(ENCRYPT_INIT, s, how, key); }
static U decrypt_init(U s, MECHANISM *how, U key) { return init(DECRYPT_INIT, s, how, key); }
static U sign_init(U s, MECHANISM *how, U key) { return init(SIGN_INIT, s, how, key); }

static U one_part(int place, U s, B *in, U n, B *out, U *size) {
    note(in, n);
    U result = REAL(place, s, in, n, out, size);
    if (!result) note(out, *size);
    return result;
}
static U encrypt(U s, B *in, U n, B *out, U *size) { return one_part(ENCRYPT, s, in, n, out, size); }
static U decrypt(U s, B *in, U n, B *out, U *size) { return one_part(DECRYPT, s, in, n, out, size); }
static U sign(U s, B *in, U n, B *out, U *size) { return one_part(SIGN, s, in, n, out, size); }

static U generate(U s, MECHANISM *how, ATTRIBUTE *t, U n, U *key) {
    note_how(how), note_all(t, n);
    return REAL(GENERATE, s, how, t, n, key);
}
static U generate_pair(U s, MECHANISM *how, ATTRIBUTE *a, U n, ATTRIBUTE *b, U m, U *public, U *private) {
    note_how(how), note_all(a, n), note_all(b, m);
    return REAL(GENERATE_PAIR, s, how, a, n, b, m, public, private);
}
static U wrap(U s, MECHANISM *how, U kek, U key, B *out, U *size) {
    note_how(how);
    U result = REAL(WRAP, s, how, kek, key, out, size);
    if (!result) note(out, *size);
    return result;
}
static U unwrap(U s, MECHANISM *how, U kek, B *in, U n, ATTRIBUTE *t, U m, U *key) {
    note_how(how), note(in, n), note_all(t, m);
    return REAL(UNWRAP, s, how, kek, in, n, t, m, key);
}
static U derive(U s, MECHANISM *how, U base, ATTRIBUTE *t, U n, U *key) {
    note_how(how), note_all(t, n);
    return REAL(DERIVE, s, how, base, t, n, key);
}
static U random_bytes(U s, B *out, U n) { U r = REAL(RANDOM, s, out, n); note(out, n); return r; }

U C_GetFunctionList(LIST **list) {
    if (!real) {
        void *library = dlopen(getenv("RECORDED_LIBRARY"), RTLD_NOW);
        U (*of)(LIST **) = library ? (U (*)(LIST **))dlsym(library, "C_GetFunctionList") : NULL;
        if (!of || of(&real)) return 5;
        proxy = *real;
        void *own[][2] = {
            { (void *)CREATE, create }, { (void *)COPY, copy }, { (void *)GET, get }, { (void *)SET, set },
            { (void *)FIND, find }, { (void *)ENCRYPT_INIT, encrypt_init }, { (void *)ENCRYPT, encrypt },
            { (void *)DECRYPT_INIT, decrypt_init }, { (void *)DECRYPT, decrypt }, { (void *)SIGN_INIT, sign_init },
            { (void *)SIGN, sign }, { (void *)GENERATE, generate }, { (void *)GENERATE_PAIR, generate_pair },
            { (void *)WRAP, wrap }, { (void *)UNWRAP, unwrap }, { (void *)DERIVE, derive }, { (void *)RANDOM, random_bytes },
        };
        for (U i = 0; i < sizeof own / sizeof *own; i++) proxy.functions[(U)own[i][0]] = own[i][1];
    }
    *list = &proxy;
    return 0;
}
