/** The header's version as a number, for comparisons: major × 65536 + minor × 256 + patch. */
#define POSTRIDER_VERSION_NUMBER \
    (POSTRIDER_VERSION_MAJOR * 65536u + POSTRIDER_VERSION_MINOR * 256u + POSTRIDER_VERSION_PATCH)

/** What to do about a status: a POSTRIDER_CLASS_…. */
#define POSTRIDER_CLASS(status) ((status) < 0 ? -(status) / 100 : POSTRIDER_CLASS_OK)

/** An engine, or a client of one. */
typedef struct postrider postrider;
/** Settings for an engine. */
typedef struct postrider_config postrider_config;
/** A request to the REST API on its way. */
typedef struct postrider_api_call postrider_api_call;
