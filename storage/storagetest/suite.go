// Package storagetest holds every implementation of the roles' stores to what their interfaces promise.
package storagetest

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/ingest"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/users"
)

// Store is all that a database does for the roles.
type Store interface {
	users.Store
	chats.Store
	history.Store
	ingest.Store
	media.Store
	push.Store
}

// Run runs the suite. open returns an empty store, which it closes when the test ends.
func Run(t *testing.T, open func(testing.TB) Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"Codes", testCodes},
		{"CodeIsSpentOnce", testCodeIsSpentOnce},
		{"Identities", testIdentities},
		{"Take", testTake},
		{"TakeAtOnce", testTakeAtOnce},
		{"SignIn", testSignIn},
		{"SignInAtOnce", testSignInAtOnce},
		{"TooManyDevices", testTooManyDevices},
		{"Rotate", testRotate},
		{"RotateAgain", testRotateAgain},
		{"RotateRetry", testRotateRetry},
		{"Revoke", testRevoke},
		{"Profile", testProfile},
		{"ByPhones", testByPhones},
		{"Change", testChange},
		{"ChangeAtOnce", testChangeAtOnce},
		{"Blocks", testBlocks},
		{"Contacts", testContacts},
		{"Privacy", testPrivacy},
		{"ReadReceipts", testReadReceipts},
		{"Erase", testErase},
		{"Accounts", testAccounts},
		{"Services", testServices},
		{"ServiceSends", testServiceSends},
		{"Media", testMedia},
		{"Readable", testReadable},
		{"MediaIdle", testMediaIdle},
		{"HoldAndRemoveAtOnce", testHoldAndRemoveAtOnce},
		{"AddAndRemoveAtOnce", testAddAndRemoveAtOnce},
		{"SpendMedia", testSpendMedia},
		{"LinkKeys", testLinkKeys},
		{"PushTargets", testPushTargets},
		{"PushMembers", testPushMembers},
		{"PushStandings", testPushStandings},
		{"PushKept", testPushKept},
		{"OpenDirect", testOpenDirect},
		{"OpenDirectAtOnce", testOpenDirectAtOnce},
		{"List", testList},
		{"Unread", testUnread},
		{"Entry", testEntry},
		{"Standings", testStandings},
		{"SetPrefs", testSetPrefs},
		{"SetDisappear", testSetDisappear},
		{"CreateGroup", testCreateGroup},
		{"CreateGroupAtOnce", testCreateGroupAtOnce},
		{"InGroup", testInGroup},
		{"InGroupAtOnce", testInGroupAtOnce},
		{"Members", testMembers},
		{"Memberships", testMemberships},
		{"Existing", testExisting},
		{"Invites", testInvites},
		{"InvitesAtOnce", testInvitesAtOnce},
		{"Outbox", testOutbox},
		{"RelayedLate", testRelayedLate},
		{"RelayedAtOnce", testRelayedAtOnce},
		{"Lease", testLease},
		{"Archive", testArchive},
		{"ArchiveAgain", testArchiveAgain},
		{"Page", testPage},
		{"News", testNews},
		{"Edit", testEdit},
		{"Delete", testDelete},
		{"LateEdit", testLateEdit},
		{"Reactions", testReactions},
		{"Pins", testPins},
		{"ChangesAgain", testChangesAgain},
		{"ChangesAreNoMessages", testChangesAreNoMessages},
		{"Hide", testHide},
		{"Stars", testStars},
		{"Only", testOnly},
		{"Private", testPrivate},
		{"Expire", testExpire},
		{"ExpireInParts", testExpireInParts},
		{"HeadsStay", testHeadsStay},
		{"Disappear", testDisappear},
		{"Spans", testSpans},
		{"From", testFrom},
		{"Search", testSearch},
		{"SearchForgets", testSearchForgets},
		{"SearchInGroups", testSearchInGroups},
		{"SearchInManyChannels", testSearchInManyChannels},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

// Signed is a sign-in with what a test needs of it.
type signed struct {
	fabric.User
	device fabric.DeviceID
	token  auth.RefreshToken
}

var start = fabric.Millis(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))

// signIn signs a new device of the user with a phone in.
func signIn(t testing.TB, s Store, phone, name string, at int64, most int) (signed, []fabric.DeviceID) {
	t.Helper()
	token := auth.NewRefreshToken()
	in := users.SignIn{
		Phone: phone, NewUser: fabric.NewUserID(), Name: name,
		Device:    fabric.Device{ID: fabric.NewDeviceID(), Name: name + "'s phone", Platform: "test", CreatedAt: at, SeenAt: at},
		PublicKey: "U" + name, RefreshExpiresAt: at + 1000,
	}
	in.Family, in.Once = token.Hashes()
	u, revoked, err := s.SignIn(t.Context(), in, most)
	if err != nil {
		t.Fatal(err)
	}
	return signed{u, in.Device.ID, token}, revoked
}

// NewUser registers a user.
func NewUser(t testing.TB, s Store, name string) fabric.User {
	t.Helper()
	u, _ := signIn(t, s, fmt.Sprintf("+49151%08d", phones.Add(1)), name, start, 16)
	return u.User
}

var phones atomic.Int64 // of the users so far

// Open opens the direct chat of two users.
func Open(t testing.TB, s Store, a, b fabric.UserID, at int64) fabric.ChannelID {
	t.Helper()
	c := fabric.Direct(a, b)
	if _, err := s.OpenDirect(t.Context(), c, a, b, at); err != nil {
		t.Fatal(err)
	}
	return c
}

// message returns a message for the archive.
func message(c fabric.ChannelID, seq, prev uint64, from fabric.UserID) fabric.Stored {
	return fabric.Stored{
		Channel: c, Seq: seq, Prev: prev, At: start + int64(seq),
		Message: fabric.Message{From: from, CID: fabric.NewCID(), Kind: "text", Body: json.RawMessage(fmt.Sprintf(`{"text":"n° %d \u0000 ✓"}`, seq))},
	}
}

func archive(t testing.TB, s Store, shard int, upto uint64, batch ...fabric.Stored) {
	t.Helper()
	var b history.Batch
	for _, m := range batch {
		b.Messages = append(b.Messages, history.Archival{Stored: m})
	}
	if err := s.Archive(t.Context(), shard, b, upto); err != nil {
		t.Fatal(err)
	}
}

func want[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}
