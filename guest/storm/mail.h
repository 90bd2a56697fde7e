/*
 * Property messages of several cores at once. Each core has one message, and posts it again only when it is answered,
 * so that at most CORES words are ever under way in a mailbox of eight: nobody meets a full one.
 *
 * With the lock a core holds the mailbox from its message to the reply. Without it, any core takes any reply out of the mailbox and counts it for the
 * core whose message it names. Two cores may then both see the same word there: the second reads an empty
 * mailbox, which gives no word of this channel.
 */
#ifndef STORM_MAIL_H
#define STORM_MAIL_H

#include "guest.h"

/* What happened to a core's messages. Written by the core alone but for `answered`. */
struct mail_counts {
    u32 posted;
    u32 answered; /* replies that name this core's message, whoever read them */
    u32 lost;     /* messages given up */
    u32 wrong;    /* replies that are not what was asked */
    u32 stray;    /* words read that name no message that waits */
    u32 others;   /* replies read for other cores */
    u32 empty;    /* reads of an empty mailbox */
};
extern struct mail_counts mail_counts[CORES];

/* Chooses how cores get at the mailbox. */
void mail_init(bool lock);
/* Begins the message of the core that calls. */
void mail_begin(void);
/* Appends a tag with a value buffer of `bytes`, its first two words set, the rest zero. */
u32 *mail_tag(u32 tag, u32 bytes, u32 first, u32 second);
/* Posts the message and waits for its reply: PROPERTY_DONE if all is well. */
u32 mail_post(void);
/* Posts a question that carries a number and checks that the answer carries it too. */
void mail_ask(void);
/* True once a message was given up: nothing that follows would mean anything. */
bool mail_is_lost(void);
/* After the last message of all cores: true if the mailbox is empty and has lost nothing. */
bool mail_is_quiet(void);

#endif
