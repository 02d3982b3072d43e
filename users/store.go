package users

import (
	"context"
	"errors"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Store is what this role needs of the database.
type Store interface {
	// SaveCode keeps the one-time code of a phone in place of any before.
	SaveCode(ctx context.Context, c Code) error
	// TryCode spends the code of a phone if its hash is h and it holds at now (Unix milliseconds). Otherwise it counts a
	// try, takes the code away with the last of tries, and returns ErrWrongCode.
	TryCode(ctx context.Context, phone string, h auth.Hash, now int64, tries int) error
	// Take counts takes at now (Unix milliseconds): all, or none where one of them has no room; over is that one's index,
	// else -1. It is exact over all processes on the database.
	Take(ctx context.Context, takes []Take, now int64) (over int, err error)
	// SignIn adds the device to the user who has the phone or the identity, and registers that user first where there is none. Of a user
	// with more than most devices it revokes those that were seen longest ago, and names them.
	SignIn(ctx context.Context, in SignIn, most int) (u fabric.User, revoked []fabric.DeviceID, err error)
	// Rotate spends a refresh token for the next. See Rotation for its errors.
	Rotate(ctx context.Context, r Rotation) (Holder, error)
	// Revoke revokes a device of u's: no token of its works from then on. The error has CodeNotFound where u has no such
	// device; one that is revoked already is no error.
	Revoke(ctx context.Context, u fabric.UserID, d fabric.DeviceID, at int64) error
	// User returns the user with their phone. The error has CodeNotFound where there is none.
	User(ctx context.Context, u fabric.UserID) (fabric.User, error)
	// Profile returns the user with their phone and what they let others see. The error has CodeNotFound where there is
	// none.
	Profile(ctx context.Context, u fabric.UserID) (Profile, error)
	// Change reads a user's profile, has change change it, and writes it, in one transaction; where change fails nothing is
	// written. The error has CodeNotFound where there is no such user.
	Change(ctx context.Context, u fabric.UserID, change func(*Profile) error) (Profile, error)
	// Erase erases what is personal of a user: name, phone, about, picture, privacy, contacts and blocks from either side,
	// stars, what they deleted for themselves, how they want channels shown, which groups they were in, what their own
	// devices were told, the names of these. What they wrote to others stays, by a deleted account; the phone is free for a
	// new one. It names the devices, which are revoked, also where the user was erased before. The error has CodeNotFound
	// where there is no such user.
	Erase(ctx context.Context, u fabric.UserID, at int64) ([]fabric.DeviceID, error)
	// ByPhones returns those users who have one of the phones, with it.
	ByPhones(ctx context.Context, phones []string) ([]fabric.User, error)

	// Block notes that u has blocked another, or no longer; changed tells whether that was otherwise before. The error has
	// CodeNotFound where there is no such other, and CodeConflict where u has blocked most already.
	Block(ctx context.Context, u, other fabric.UserID, on bool, at int64, most int) (changed bool, err error)
	// Blocks returns whom u has blocked, the last one first.
	Blocks(ctx context.Context, u fabric.UserID) ([]fabric.User, error)
	// AddContacts adds people to u's contacts, up to most in all; who is there already stays.
	AddContacts(ctx context.Context, u fabric.UserID, people []fabric.UserID, most int) error
	// Contacts returns u's contacts by name.
	Contacts(ctx context.Context, u fabric.UserID) ([]fabric.User, error)
	// Forget takes somebody out of u's contacts; who is not among them is no error.
	Forget(ctx context.Context, u, contact fabric.UserID) error
	// Visible returns those of the users whose presence viewer may see: by what they let others see, and not where they have
	// blocked the viewer.
	Visible(ctx context.Context, viewer fabric.UserID, users []fabric.UserID) ([]fabric.UserID, error)

	// Accounts returns the accounts that are looked for, newest first: by id, which begins with the time. Phones are whole.
	Accounts(ctx context.Context, f Find) ([]contract.Account, error)
	// Counts returns how many of what a user has; of who is not there, none.
	Counts(ctx context.Context, u fabric.UserID) (Counts, error)
	// Devices returns a user's devices that are not revoked, oldest first.
	Devices(ctx context.Context, u fabric.UserID) ([]fabric.Device, error)
}

// Profile is a user as they see themselves.
type Profile struct {
	fabric.User
	Privacy contract.Privacy
}

// Code is a one-time code as it is stored.
type Code struct {
	Phone     string // E.164
	Hash      auth.Hash
	ExpiresAt int64 // Unix milliseconds
}

// ErrWrongCode says that a phone has no such code, or none that still holds.
var ErrWrongCode = errors.New("wrong one-time code")

// SignIn is a device that signs in.
type SignIn struct {
	Phone            string // E.164; "" with an Identity
	Identity         Identity
	NewUser          fabric.UserID // the user's id and name, where the phone or identity is new
	Name             string
	Device           fabric.Device
	PublicKey        string // that its access tokens are bound to; may be empty
	Family, Once     auth.Hash
	RefreshExpiresAt int64 // Unix milliseconds
}

// Identity is a person as an OpenID Connect issuer knows them. Such a user has no phone.
type Identity struct{ Issuer, Subject string }

// Rotation puts the secret Next in the place of Once. Where Once is not the family's current secret, it is one that was
// spent: the error is ErrSpent and the device is revoked. Only the retry of the attempt that spent it last is let
// through, as long as nobody used the secret that came of it. Where the family is unknown, revoked or expired, the error
// is ErrNoGrant.
type Rotation struct {
	Family, Once, Next auth.Hash
	Attempt            string // the client's id of the attempt; empty for one that can't be retried
	At, ExpiresAt      int64  // Unix milliseconds
}

// Errors of a Rotation. With ErrSpent comes the Holder of the revoked device.
var (
	ErrNoGrant = errors.New("the refresh token is unknown, expired or revoked")
	ErrSpent   = errors.New("the refresh token was spent before")
)

// Holder is who holds a refresh token.
type Holder struct {
	User      fabric.User
	Device    fabric.Device
	PublicKey string
}
