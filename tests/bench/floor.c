/* The floor of a card's HSM work: the PKCS#11 calls that kif makes for one card, in a bare C loop.
 *
 *   floor LIBRARY LABEL OPERATION COUNT < PIN
 *
 * Templates are built once; nothing is read back, checked or converted. Prints microseconds for each:
 * OPERATION is card, site-card, or one of option-a, cmac-2, derive-wrap, session-keys, cmac. The calls of a card
 * (docs/performance.md): two SCP03 channels (static and session keys by derivation, cryptograms, the
 * card's challenge, C-MAC, C-ENC, R-MAC and R-ENC of thirteen and of four commands), three EMV card
 * keys and three of the security domain derived, wrapped and checked, an ARQC and a TC verified and an
 * ARPC made, three records opened by AES-GCM, five log signatures, and five heads. Masters are session
 * objects; a site-card's are token objects, as those of a site are, which are never copied.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

typedef unsigned long CK_ULONG;
typedef unsigned char CK_BYTE;
typedef struct { CK_ULONG type; void *value; CK_ULONG length; } CK_ATTRIBUTE;
typedef struct { CK_ULONG mechanism; void *parameter; CK_ULONG length; } CK_MECHANISM;
typedef struct { CK_BYTE *data; CK_ULONG length; } STRING_DATA;
typedef struct { CK_BYTE *iv; CK_ULONG iv_length, iv_bits; CK_BYTE *aad; CK_ULONG aad_length, tag_bits; } GCM;

enum { CLASS = 0, TOKEN = 1, PRIVATE = 2, LABEL = 3, VALUE = 0x11, KEY_TYPE = 0x100,
       SENSITIVE = 0x103, ENCRYPT = 0x104, DECRYPT = 0x105, WRAP = 0x106, UNWRAP = 0x107,
       SIGN = 0x108, VERIFY = 0x10A, DERIVE = 0x10C, VALUE_LEN = 0x161, EXTRACTABLE = 0x162,
       MODIFIABLE = 0x170, COPYABLE = 0x171, EC_PARAMS = 0x180 };
enum { SECRET_KEY = 4, DES2 = 0x14, AES = 0x1F };
enum { DES3_ECB = 0x132, DES3_CBC = 0x133, AES_KEY_GEN = 0x1080, AES_ECB = 0x1081, AES_CBC = 0x1082,
       AES_GCM = 0x1087, AES_CMAC = 0x108A, DES2_KEY_GEN = 0x130, DES3_ECB_ENCRYPT_DATA = 0x1102,
       AES_ECB_ENCRYPT_DATA = 0x1104, EC_EDWARDS_KEY_PAIR_GEN = 0x1055, EDDSA = 0x1057 };

static void *library;
static CK_ULONG session;
static CK_BYTE yes = 1, no = 0, lasting = 0;                  /* whether masters are token objects */

static void check(CK_ULONG result, const char *name) {
    if (result) { fprintf(stderr, "%s answered %#lx\n", name, result); exit(1); }
}
#define CALL(name, ...) check(((CK_ULONG (*)())dlsym_once(#name))(__VA_ARGS__), #name)

static void *dlsym_once(const char *name) {
    static struct { const char *name; void *found; } known[64];
    for (int i = 0; i < 64; i++) {
        if (known[i].name == name) return known[i].found;
        if (!known[i].name) {
            known[i].name = name;
            return known[i].found = dlsym(library, name);
        }
    }
    return NULL;
}

static CK_ULONG find(const char *label) {
    CK_ULONG slots[16], count = 16;
    CALL(C_GetSlotList, 1, slots, &count);
    char info[512];
    for (CK_ULONG i = 0; i < count; i++) {
        CALL(C_GetTokenInfo, slots[i], info);
        if (!strncmp(info, label, strlen(label))) return slots[i];
    }
    fprintf(stderr, "no token %s\n", label);
    exit(1);
}

/* A session key's template: what it may do is one attribute; the rest is kif's usage table. */
static int template(CK_ATTRIBUTE *into, CK_ULONG *type, CK_ULONG *size, int right, int extractable) {
    static CK_ULONG class = SECRET_KEY;
    static const int rights[] = { ENCRYPT, DECRYPT, SIGN, VERIFY, WRAP, UNWRAP, DERIVE };
    int n = 0;
    into[n++] = (CK_ATTRIBUTE){ CLASS, &class, sizeof class };
    into[n++] = (CK_ATTRIBUTE){ KEY_TYPE, type, sizeof *type };
    if (size) into[n++] = (CK_ATTRIBUTE){ VALUE_LEN, size, sizeof *size };
    into[n++] = (CK_ATTRIBUTE){ TOKEN, &no, 1 };
    into[n++] = (CK_ATTRIBUTE){ PRIVATE, &yes, 1 };
    into[n++] = (CK_ATTRIBUTE){ SENSITIVE, &yes, 1 };
    into[n++] = (CK_ATTRIBUTE){ EXTRACTABLE, extractable ? &yes : &no, 1 };
    into[n++] = (CK_ATTRIBUTE){ COPYABLE, &no, 1 };
    for (int i = 0; i < 7; i++)
        into[n++] = (CK_ATTRIBUTE){ rights[i], rights[i] == right ? &yes : &no, 1 };
    into[n++] = (CK_ATTRIBUTE){ MODIFIABLE, &no, 1 };
    return n;
}

static CK_ULONG aes = AES, des2 = DES2, sixteen = 16, thirty_two = 32;
static CK_BYTE data[1024], out[2048], iv[16];

/* Templates that are built once; 'built' gives one by its right, type and whether it may leave. */
static struct built { CK_ATTRIBUTE wanted[24]; CK_ULONG count; } *built(CK_ULONG *type, CK_ULONG *size, int right, int extractable) {
    static struct { CK_ULONG *type, *size; int right, extractable; struct built it; } known[32];
    for (int i = 0; i < 32; i++) {
        if (!known[i].it.count) {
            known[i].type = type, known[i].size = size, known[i].right = right, known[i].extractable = extractable;
            known[i].it.count = template(known[i].it.wanted, type, size, right, extractable);
        }
        if (known[i].type == type && known[i].size == size && known[i].right == right && known[i].extractable == extractable)
            return &known[i].it;
    }
    exit(1);
}

static CK_ULONG derive_aes(CK_ULONG base, int right, CK_ULONG *size) {
    struct built *of = built(&aes, size, right, 0);
    STRING_DATA string = { data, *size };
    CK_MECHANISM how = { AES_ECB_ENCRYPT_DATA, &string, sizeof string };
    CK_ULONG key;
    CALL(C_DeriveKey, session, &how, base, of->wanted, of->count, &key);
    return key;
}

static CK_ULONG derive_des(CK_ULONG base, int right, int extractable) {
    struct built *of = built(&des2, NULL, right, extractable);
    STRING_DATA string = { data, 16 };
    CK_MECHANISM how = { DES3_ECB_ENCRYPT_DATA, &string, sizeof string };
    CK_ULONG key;
    CALL(C_DeriveKey, session, &how, base, of->wanted, of->count, &key);
    return key;
}

static CK_ULONG masters[16], known_masters;

static CK_ULONG master(CK_ULONG key) { return masters[known_masters++] = key; }

static CK_ULONG generate(CK_ULONG mechanism, CK_ULONG *type, CK_ULONG *size, int right, int opening) {
    CK_ATTRIBUTE wanted[24];
    CK_MECHANISM how = { mechanism, NULL, 0 };
    CK_ULONG key, count = template(wanted, type, size, right, 0);
    for (CK_ULONG i = 0; i < count; i++) {
        if (wanted[i].type == TOKEN) wanted[i].value = &lasting;
        if (wanted[i].type == DECRYPT && opening) wanted[i].value = &yes;
    }
    CALL(C_GenerateKey, session, &how, wanted, count, &key);
    return master(key);
}

static void encrypt(CK_ULONG key, CK_ULONG mechanism, CK_ULONG length) {
    CK_ULONG size = sizeof out;
    int block = mechanism == DES3_CBC ? 8 : 16, chained = mechanism == AES_CBC || mechanism == DES3_CBC;
    CK_MECHANISM how = { mechanism, chained ? iv : NULL, chained ? block : 0 };
    CALL(C_EncryptInit, session, &how, key);
    CALL(C_Encrypt, session, data, length, out, &size);
}

static void sign(CK_ULONG key, CK_ULONG mechanism, CK_ULONG length) {
    CK_ULONG size = sizeof out;
    CK_MECHANISM how = { mechanism, NULL, 0 };
    CALL(C_SignInit, session, &how, key);
    CALL(C_Sign, session, data, length, out, &size);
}

static void destroy(CK_ULONG key) { CALL(C_DestroyObject, session, key); }

static struct { CK_ULONG manager, issuer[3], pair[2], dek, mac, batch, signer, head; CK_BYTE sealed[1024]; CK_ULONG size; } site;

static void gcm(int opening) {
    CK_ULONG size = opening ? sizeof out : sizeof site.sealed;
    GCM parameters = { iv, 12, 96, data, 20, 128 };
    CK_MECHANISM how = { AES_GCM, &parameters, sizeof parameters };
    if (opening) {
        CALL(C_DecryptInit, session, &how, site.batch);
        CALL(C_Decrypt, session, site.sealed, site.size, out, &size);
    } else {
        CALL(C_EncryptInit, session, &how, site.batch);
        CALL(C_Encrypt, session, data, 900, site.sealed, &size);
        site.size = size;
    }
}

static void log_entry(void) {
    char head[96];
    memset(head, 'a', sizeof head);
    CK_ATTRIBUTE label = { LABEL, head, 70 };
    sign(site.signer, EDDSA, 100);
    CALL(C_SetAttributeValue, session, site.head, &label, 1);
}

struct channel { CK_ULONG enc, enc_public, mac, mac_public, dek, s_enc, s_mac, s_rmac; };

/* Static and session keys; the card's cryptogram and its challenge are checked. */
static struct channel opened(CK_ULONG manager) {
    struct channel c;
    c.enc = derive_aes(manager, DERIVE, &sixteen), c.enc_public = derive_aes(manager, ENCRYPT, &sixteen);
    c.mac = derive_aes(manager, DERIVE, &sixteen), c.mac_public = derive_aes(manager, ENCRYPT, &sixteen);
    c.dek = derive_aes(manager, WRAP, &sixteen);
    encrypt(c.enc_public, AES_ECB, 32), encrypt(c.mac_public, AES_ECB, 48);
    c.s_enc = derive_aes(c.enc, ENCRYPT, &sixteen);
    c.s_mac = derive_aes(c.mac, SIGN, &sixteen), c.s_rmac = derive_aes(c.mac, SIGN, &sixteen);
    sign(c.s_mac, AES_CMAC, 32);
    encrypt(c.enc_public, AES_ECB, 32), encrypt(c.enc_public, AES_ECB, 16);
    return c;
}

/* EXTERNAL AUTHENTICATE, then commands with IV, C-ENC and C-MAC, and R-MACs; 'told' answers have data. */
static void spoken(struct channel c, int commands, int told) {
    sign(c.s_mac, AES_CMAC, 32), sign(c.s_mac, AES_CMAC, 32);
    encrypt(c.s_enc, AES_ECB, 256);                           /* the next sixteen IVs */
    for (int i = 0; i < commands; i++) {
        encrypt(c.s_enc, AES_CBC, 96), sign(c.s_mac, AES_CMAC, 128);
        sign(c.s_rmac, AES_CMAC, 18);
    }
    for (int i = 0; i < told; i++) encrypt(c.s_enc, AES_ECB, 16), encrypt(c.s_enc, AES_CBC, 16);
}

static void closed(struct channel c) {
    CK_ULONG keys[] = { c.enc, c.enc_public, c.mac, c.mac_public, c.dek, c.s_enc, c.s_mac, c.s_rmac };
    for (int i = 0; i < 8; i++) destroy(keys[i]);
}

/* A key that is wrapped, and its twin that gives a check value. */
static void delivered(CK_ULONG dek, CK_ULONG leaving, CK_ULONG twin, CK_ULONG mechanism, CK_ULONG block) {
    CK_MECHANISM how = { AES_CBC, iv, 16 };
    CK_ULONG size = sizeof out;
    CALL(C_WrapKey, session, &how, dek, leaving, out, &size);
    encrypt(twin, mechanism, block);
    destroy(leaving), destroy(twin);
}

/* A MAC under the session key of an application cryptogram. */
static void cryptogram(CK_ULONG length) {
    CK_ULONG icc = derive_des(site.issuer[0], DERIVE, 0), whole, left;
    whole = derive_des(icc, ENCRYPT, 0), left = derive_des(icc, ENCRYPT, 0);
    encrypt(left, DES3_CBC, length), encrypt(whole, DES3_ECB, 8);
    destroy(whole), destroy(left), destroy(icc);
}

static void one_card(void) {
    CALL(C_GenerateRandom, session, out, 8);
    gcm(1);
    log_entry();                                              /* claimed */
    struct channel vendors = opened(site.manager);
    for (int i = 0; i < 3; i++)                               /* DGI 8000 and 9000 */
        delivered(vendors.dek, derive_des(site.issuer[i], 0, 1), derive_des(site.issuer[i], ENCRYPT, 0), DES3_ECB, 8);
    for (int i = 0; i < 3; i++) {                             /* PUT KEY */
        struct built *of = built(&aes, &sixteen, 0, 1);
        STRING_DATA string = { data, 16 };
        CK_MECHANISM how = { AES_ECB_ENCRYPT_DATA, &string, sizeof string };
        CK_ULONG key;
        CALL(C_DeriveKey, session, &how, site.manager, of->wanted, of->count, &key);
        delivered(vendors.dek, key, derive_aes(site.manager, ENCRYPT, &sixteen), AES_ECB, 16);
    }
    spoken(vendors, 13, 1);
    log_entry();                                              /* authorised */
    log_entry();                                              /* done */
    closed(vendors);
    gcm(1);
    log_entry();                                              /* printed */
    gcm(1);
    cryptogram(40), cryptogram(8), cryptogram(40);            /* ARQC, ARPC, TC */
    CALL(C_GenerateRandom, session, out, 8);
    struct channel ours = opened(site.manager);
    spoken(ours, 4, 2);                                       /* list of keys, twice SET STATUS, GET STATUS */
    closed(ours);
    log_entry();                                              /* verified */
}

/* What kif.hsm does for the same names in tests/bench/hsm.py. */
static void option_a(void) { destroy(derive_des(site.issuer[0], ENCRYPT, 0)); }

static void cmac_2(void) {                                    /* L and the first block, then the key */
    encrypt(site.pair[1], AES_ECB, 32);
    destroy(derive_aes(site.pair[0], ENCRYPT, &sixteen));
}

static void derive_wrap(void) {
    CK_MECHANISM how = { AES_CBC, iv, 16 };
    CK_ULONG size = sizeof out, key = derive_des(site.issuer[0], 0, 1);
    CALL(C_WrapKey, session, &how, site.dek, key, out, &size);
    destroy(key);
}

static void session_keys(void) {
    encrypt(site.pair[1], AES_ECB, 32), encrypt(site.pair[1], AES_ECB, 48);
    CK_ULONG s_enc = derive_aes(site.pair[0], ENCRYPT, &sixteen);
    CK_ULONG s_mac = derive_aes(site.pair[0], SIGN, &sixteen), s_rmac = derive_aes(site.pair[0], SIGN, &sixteen);
    destroy(s_enc), destroy(s_mac), destroy(s_rmac);
}

static void cmac(void) { sign(site.mac, AES_CMAC, 32); }

static struct { const char *name; void (*run)(void); } operations[] = {
    { "card", one_card }, { "site-card", one_card }, { "option-a", option_a }, { "cmac-2", cmac_2 }, { "derive-wrap", derive_wrap },
    { "session-keys", session_keys }, { "cmac", cmac },
};

static void make_site(void) {
    static CK_BYTE ed25519[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };
    static CK_ULONG data_class = 0;
    CK_ULONG public;
    site.manager = generate(AES_KEY_GEN, &aes, &sixteen, DERIVE, 0);
    for (int i = 0; i < 3; i++) site.issuer[i] = generate(DES2_KEY_GEN, &des2, NULL, DERIVE, 0);
    site.pair[0] = generate(AES_KEY_GEN, &aes, &sixteen, DERIVE, 0), site.pair[1] = generate(AES_KEY_GEN, &aes, &sixteen, ENCRYPT, 0);
    site.dek = generate(AES_KEY_GEN, &aes, &sixteen, WRAP, 0), site.mac = generate(AES_KEY_GEN, &aes, &sixteen, SIGN, 0);
    site.batch = generate(AES_KEY_GEN, &aes, &thirty_two, ENCRYPT, 1);
    CK_ATTRIBUTE of_public[] = { { EC_PARAMS, ed25519, sizeof ed25519 }, { TOKEN, &no, 1 }, { VERIFY, &yes, 1 } };
    CK_ATTRIBUTE of_private[] = { { TOKEN, &lasting, 1 }, { PRIVATE, &yes, 1 }, { SENSITIVE, &yes, 1 }, { SIGN, &yes, 1 } };
    CK_MECHANISM pair = { EC_EDWARDS_KEY_PAIR_GEN, NULL, 0 };
    CALL(C_GenerateKeyPair, session, &pair, of_public, 3, of_private, 4, &public, &site.signer);
    master(site.signer);
    CK_ATTRIBUTE head[] = { { CLASS, &data_class, sizeof data_class }, { TOKEN, &yes, 1 }, { PRIVATE, &yes, 1 },
                            { MODIFIABLE, &yes, 1 }, { LABEL, "floor", 5 }, { VALUE, "", 0 } };
    CALL(C_CreateObject, session, head, 6, &site.head);
    master(site.head);
    gcm(0);
}

int main(int count, char **arguments) {
    char pin[256] = { 0 };
    struct timespec began, ended;
    if (count != 5 || !fgets(pin, sizeof pin, stdin)) return 2;
    pin[strcspn(pin, "\n")] = 0;
    int number = atoi(arguments[4]);
    void (*run)(void) = NULL;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (!strcmp(operations[i].name, arguments[3])) run = operations[i].run;
    if (!run) return 2;
    library = dlopen(arguments[1], RTLD_NOW);
    if (!library) { fprintf(stderr, "%s\n", dlerror()); return 1; }
    int lock = getenv("FLOOR_LOCK") ? open(getenv("FLOOR_LOCK"), O_RDWR | O_CREAT, 0600) : -1;
    if (lock >= 0) flock(lock, LOCK_EX);                      /* simultaneous starts on one directory fail */
    lasting = !strcmp(arguments[3], "site-card");
    CALL(C_Initialize, NULL);
    CALL(C_OpenSession, find(arguments[2]), 6ul, NULL, NULL, &session);
    CALL(C_Login, session, 1ul, pin, strlen(pin));
    make_site();
    run();
    if (lock >= 0) flock(lock, LOCK_UN);
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 0; i < number; i++) run();
    clock_gettime(CLOCK_MONOTONIC, &ended);
    while (known_masters) destroy(masters[--known_masters]);
    printf("%.1f\n", ((ended.tv_sec - began.tv_sec) * 1e6 + (ended.tv_nsec - began.tv_nsec) / 1e3) / number);
    return 0;
}
