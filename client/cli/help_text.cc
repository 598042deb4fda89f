#include "client/cli/help_text.h"

namespace messenger::client {

const char kHelpText[] =
    R"(Private messages without a phone number, an e-mail address or a central server.

usage: session [options] COMMAND

  account create [--name NAME] [--pin]   make an account; prints its id and the
                                         13 words that restore it
  account restore [--name NAME] [--pin]  restore one, with its contacts; reads
                                         the 13 words from standard input
  account link [--pin] [--no-qr]         make this the device of an account that
                                         is on another one; shows a code, then
                                         six digits to be typed in there
  device list                            the account's devices
  device link CODE                       on the first device: take in the one
                                         that shows the code
  device unlink ID                       on the first device: drop one
  account show [--phrase] [--qr]         id, name and state; also the 13 words,
                                         or a QR code that `contact add` takes
  account vault [save]                   what comes back with the 13 words besides
                                         the account: contacts and settings; save
                                         it now instead of some minutes after a
                                         change
  account pin                            set or change the PIN
  account pin remove                     go on without a PIN
  account pin status                     what protects the data
  account pin move PLACE                 move the device secret to a file or to
                                         the secret-service of the desktop
  account pin duress [remove]            set a second PIN, which erases: whoever
                                         gives it where a PIN is asked for
                                         destroys the key of everything here and
                                         finds an empty account. It hides
                                         nothing, reaches no copy that was made
                                         before, and contacts and the network
                                         still know the account. To destroy can
                                         itself be a crime
  name [NAME]                            show or set your display name
  contact add LINK [NAME]                add whom an invitation, or an account
                                         id, is of; whoever made the link knows
                                         you at once when you write
  picture [set FILE | remove]            your picture for contacts, of a PNG or
                                         JPEG file: its middle, 256 x 256, without
                                         anything else that the file holds
  picture save FILE                      write it to a new file
  contact picture WHO --file FILE        the same with that of a contact
  contact list
  invite [--uses N] [--days N] [--no-qr] a link, also as a QR code: whoever
                                         writes to you with it is a contact, not
                                         a request. For one person (N; 0: any
                                         number), for 7 days (1 to 365)
  invite list                            all of them, and how many used them
  invite revoke LINK                     LINK is the link, or the first digits
                                         of its token, after t=
  requests                               who has written without being a contact
  accept WHO [NAME]                      WHO is an id, or its first 8 digits or
                                         more; their texts come next
  decline WHO                            forget the request; for 30 days what
                                         they send is dropped. They never learn
                                         of it, nor of a request unanswered
  block WHO, unblock WHO                 drop what somebody sends, for good
  send WHO [TEXT | - | --file FILE]      WHO is a contact's name, an id or a
                                         link; "-" or no TEXT reads standard
                                         input
  reply N [TEXT | - | --file FILE]       answer message N; N is the number that
                                         the history shows
  edit N [TEXT | - | --file FILE]        replace a text of yours on both sides
  react N EMOJI, unreact N               one reaction of each to a message
  unsend N                               take a text of yours back on both sides
  delete N                               delete a message here alone
  chat WHO                               talk: what comes appears above the
                                         line you type; /help lists more there
  receive                                fetch and print new messages
  watch                                  stay, and print messages as they
                                         arrive: a storage node of each mailbox
                                         holds a request until one comes, and
                                         all are read in full every minute
  events                                 like `watch`, for programs: one JSON
                                         object per line for each message,
                                         change, and text of yours that was sent
  history [WHO] [--limit N]              what was said, and the state of each
                                         message of yours
  conversations                          all of them, with the last message
  pin WHO, unpin WHO                     first in that list
  archive WHO, unarchive WHO             last in that list, until they write
  mute WHO, unmute WHO                   `watch` does not ring for them
  draft WHO [TEXT]                       keep a text to go on with; "" forgets it
  export WHO --file FILE                 write all that was said, readable for
                                         whoever gets the file
  backup create --file FILE              write history and contacts, encrypted,
                                         to a new file; shows its key, once
  backup restore --file FILE             add what is missing here from a backup
                                         of this account; reads the key from
                                         standard input, unless the account has
                                         it (its five newest ones)
  timer WHO [TIME | off]                 new messages of both vanish that long
                                         after they are read: 30s, 8h, 1w, ...
  receipts [on | off]                    off at first. On: contacts learn that
                                         their texts have come and were read,
                                         and you of yours if they have it on
  search WORDS [--limit N]               messages with all of these words, or words
                                         that begin like them
  safety-number WHO [--qr]               60 digits; compare them with the other
                                         person by another way; also a code for
                                         them to scan
  verify WHO DIGITS                      those the other person sees: marks them
                                         as verified. When a verified contact
                                         changes devices, texts to them wait
                                         until you verify again
  verify WHO --qr TEXT                   the same with what their code says when
                                         you scan it: also compares the lists of
                                         devices that both of you know
  unverify WHO
  path                                   show relays that are in use now
  daemon [--lock-after MINUTES]          stay, keep the account open, and do the
                                         work of all other commands, at once;
                                         for bots and front ends: a gRPC service
                                         at DIR/daemon.sock. With a PIN it locks
                                         itself after 5 minutes without a
                                         command (0: never)
  daemon status, daemon stop
  completion bash|zsh                    a script for your shell:
                                         source <(session completion bash)
  lock, unlock                           make the daemon forget all keys and
                                         messages; open it again with the PIN

options
  --data-dir DIR      where everything is kept, encrypted
                      (default: $SESSION_DATA_DIR, or ~/.local/share/session)
  --network-file F    the network's description; remembered at first use
                      (default: $SESSION_NETWORK_FILE)
  --routing MODE      onion (default): three relays, no node knows both ends;
                      proxy: one relay, faster, for constrained devices: weaker,
                      that relay sees your address and the storage node you ask
  --pin-fd N          read the PIN from file descriptor N; or put it into the
                      file that $SESSION_PIN_FILE names; otherwise it is asked
  --new-pin-fd N      the same for the new PIN of `account pin` and of `account
                      pin duress`
  --duress-pin-fd N   the same for the PIN that erases and is to stay in force
                      when `account pin` sets another one
  --key-fd N          read the key of `backup restore` from file descriptor N
  --device-secret W   with a new PIN: where the device secret is kept, file (at
                      first) or secret-service: GNOME Keyring, KWallet or
                      KeePassXC, through the program secret-tool
  --device-secret-file F
                      where the device secret is, for this account alone and
                      outside of --data-dir (default:
                      $SESSION_DEVICE_SECRET_FILE, or a file of its own in
                      $XDG_STATE_HOME or ~/.local/state)
  --no-device-secret  with a new PIN: use none; the folder can then be moved to
                      another device, and the PIN has 8 characters at least
  --wipe-after N      with a new PIN: after N (4 to 1000) wrong PINs in a row
                      the data is destroyed; 0: never, as without the option
  --json              print one JSON object (watch: one per line; a line with
                      only "requests" says how many wait)
  --version, --help

A new account, and each new conversation, registers a mailbox with the storage
nodes and pays with about a second of computing; it is renewed by itself while
the program is used. After 30 days without, nobody can leave you messages.

Without a PIN, whoever gets the folder can read it. A PIN is locked together
with a device secret that is kept outside of the folder: a copy of the folder
alone opens for nobody, and for you only with a copy of the secret, too. Whoever
gets both, or a folder without a device secret, needs half a second and 256 MiB
for each guess: 8 digits last 10 days on 64 cores, 6 digits hours. After 3 wrong
PINs the program makes you wait: 5 seconds, twice as long each time, at most an
hour.

exit status: 0 done, 1 failure, 2 wrong usage or input, 3 PIN wrong, missing
or to be waited for, the device secret is not there, or the daemon is locked,
4 not found, 5 network out of reach (a text stays queued), 6 disk or database
)";

}  // namespace messenger::client
