package contract

import "github.com/weft-im/weft/fabric"

// UsersOTPRequest asks for a one-time code to be sent to a phone.
type UsersOTPRequest struct {
	Phone   string `json:"phone"`             // as the person typed it, with country code
	Address string `json:"address,omitempty"` // the client's address, for rates
}

// UsersOTPReply tells where the code went and until when it holds.
type UsersOTPReply struct {
	Phone     string `json:"phone"`      // E.164
	ExpiresAt int64  `json:"expires_at"` // Unix milliseconds
	DevCode   string `json:"dev_code,omitempty"`
}

// SendOTPRequest asks the service that sends text messages, on subjects.SendOTP, to send a one-time code.
type SendOTPRequest struct {
	Phone     string `json:"phone"` // E.164
	Code      string `json:"code"`
	ExpiresAt int64  `json:"expires_at"` // Unix milliseconds
}

// SendOTPReply is its answer: {} once the message is on its way.
type SendOTPReply struct {
	Err *fabric.Error `json:"err,omitempty"`
}

// UsersTokenRequest trades a one-time code for tokens; the first time it registers the user.
type UsersTokenRequest struct {
	Phone  string    `json:"phone"`
	Code   string    `json:"code"`
	Name   string    `json:"name,omitempty"`
	Device NewDevice `json:"device"`

	Address string `json:"address,omitempty"` // the client's address, for rates; the edge's to say
}

// UsersMethodsRequest asks how people sign in here.
type UsersMethodsRequest struct{}

// UsersMethodsReply tells it.
type UsersMethodsReply struct {
	OTP  bool        `json:"otp"` // by a code that is sent to their phone
	OIDC *OIDCMethod `json:"oidc,omitempty"`
}

// OIDCMethod is an organisation's OpenID Connect issuer.
type OIDCMethod struct {
	Name string `json:"name"` // what people know it as
}

// UsersOIDCStartRequest begins a sign-in by the organisation's issuer.
type UsersOIDCStartRequest struct {
	RedirectURI string `json:"redirect_uri"`      // where people come back to, as the issuer has it registered
	Address     string `json:"address,omitempty"` // the client's address, for rates; the edge's to say
}

// UsersOIDCStartReply tells where to send the person. They come back to RedirectURI with State, which the client compares
// with the one that it keeps, and a code. That is good for ten minutes.
type UsersOIDCStartReply struct {
	URL   string `json:"url"`
	State string `json:"state"`
}

// UsersOIDCTokenRequest trades what somebody came back with for tokens. The first time it registers the user, who has
// no phone. The reply is UsersTokenReply.
type UsersOIDCTokenRequest struct {
	State   string    `json:"state"`
	Code    string    `json:"code"`
	Device  NewDevice `json:"device"`
	Address string    `json:"address,omitempty"` // the client's address, for rates; the edge's to say
}

// NewDevice is a device as it presents itself at sign-in.
type NewDevice struct {
	Name      string `json:"name"`
	Platform  string `json:"platform"`
	PublicKey string `json:"public_key,omitempty"` // a user nkey (U…): the access token is bound to it
}

// UsersTokenReply is a signed-in device's pair of tokens, of a sign-in or of a refresh.
type UsersTokenReply struct {
	User         fabric.User   `json:"user"`
	Device       fabric.Device `json:"device"`
	AccessToken  string        `json:"access_token"`
	ExpiresAt    int64         `json:"expires_at"` // of the access token, Unix milliseconds
	RefreshToken string        `json:"refresh_token"`
}

// UsersRefreshRequest spends a refresh token for a new pair. A token that was spent already revokes its device, except in
// a retry: a client whose reply got lost asks again with the same Attempt, and gets another pair for as long as the
// lost one was never used.
type UsersRefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
	Attempt      string `json:"attempt,omitempty"` // the client's id of this try, up to MaxAttempt bytes
	Address      string `json:"address,omitempty"` // the client's address; the edge's to say
}

// MaxAttempt bounds a client's id of a try to refresh, in bytes.
const MaxAttempt = 64

// UsersRevokeRequest revokes a device of the user's own: its tokens stop working and its sessions end within a second.
type UsersRevokeRequest struct {
	User   fabric.UserID   `json:"user"`
	Device fabric.DeviceID `json:"device"`
}

// UsersGetRequest asks for a user as Viewer may see them; the phone is there only for oneself.
type UsersGetRequest struct {
	Viewer fabric.UserID `json:"viewer"`
	User   fabric.UserID `json:"user"`
}

// UsersGetReply is the user, with their privacy where they ask for themselves.
type UsersGetReply struct {
	fabric.User
	Privacy *Privacy `json:"privacy,omitempty"`
}

// UsersUpdateRequest changes one's own profile; nil leaves a field as it is. The reply is UsersGetReply.
type UsersUpdateRequest struct {
	User    fabric.UserID  `json:"user"`
	Name    *string        `json:"name,omitempty"`
	About   *string        `json:"about,omitempty"`
	Avatar  *string        `json:"avatar,omitempty"` // "" for none
	Privacy *PrivacyChange `json:"privacy,omitempty"`
}

// PrivacyChange changes what others may see and do; nil leaves a field as it is.
type PrivacyChange struct {
	LastSeen     *string `json:"last_seen,omitempty"`
	ReadReceipts *bool   `json:"read_receipts,omitempty"`
	Groups       *string `json:"groups,omitempty"`
}

// Privacy is what others may see and do.
type Privacy struct {
	LastSeen     string `json:"last_seen"`     // who sees when one was last seen and whether one is online: a Circle
	ReadReceipts bool   `json:"read_receipts"` // whether the other one of a direct chat sees what was read
	Groups       string `json:"groups"`        // who may add one to groups: a Circle
}

// Circles of people.
const (
	CircleAll      = "all"
	CircleContacts = "contacts" // those whom one has in one's contacts
	CircleNone     = "none"
)

// MaxLookup bounds how many phones one lookup may name.
const MaxLookup = 100

// UsersLookupRequest asks which of the phones belong to users.
type UsersLookupRequest struct {
	User   fabric.UserID `json:"user"`
	Phones []string      `json:"phones"`
}

// UsersLookupReply lists those found, each with the phone it was asked by in E.164.
type UsersLookupReply struct {
	Users []fabric.User `json:"users"`
}

// UsersDevicesRequest asks for the user's own devices; Device is the one that asks.
type UsersDevicesRequest struct {
	User   fabric.UserID   `json:"user"`
	Device fabric.DeviceID `json:"device"`
}

// UsersDevicesReply lists the devices, oldest first.
type UsersDevicesReply struct {
	Devices []fabric.Device `json:"devices"`
}

// UsersBlockRequest blocks another user, or no longer.
type UsersBlockRequest struct {
	User  fabric.UserID `json:"user"`
	Other fabric.UserID `json:"other"`
	On    bool          `json:"on"`
}

// UsersOwnRequest asks for something of the user's own: their blocks or contacts, the parts of their export.
type UsersOwnRequest struct {
	User fabric.UserID `json:"user"`
}

// UsersListReply lists users.
type UsersListReply struct {
	Users []fabric.User `json:"users"`
}

// UsersForgetRequest takes a user out of one's contacts.
type UsersForgetRequest struct {
	User    fabric.UserID `json:"user"`
	Contact fabric.UserID `json:"contact"`
}

// UsersDeleteRequest deletes the user's account. Phone, their own, confirms it; for those who have none, Name does.
type UsersDeleteRequest struct {
	User  fabric.UserID `json:"user"`
	Phone string        `json:"phone"`
	Name  string        `json:"name,omitempty"`
}

// UsersVisibleRequest asks whose presence Viewer may see.
type UsersVisibleRequest struct {
	Viewer fabric.UserID   `json:"viewer"`
	Users  []fabric.UserID `json:"users"` // up to 500
}

// UsersVisibleReply names those whose presence the viewer may see, and no others.
type UsersVisibleReply struct {
	Users []fabric.UserID `json:"users"`
}
