package contract

import "github.com/weft-im/weft/fabric"

// PushSetRequest says how the user's device is reached while its app is not there. It takes the place of what was said
// before.
type PushSetRequest struct {
	User   fabric.UserID   `json:"user"`
	Device fabric.DeviceID `json:"device"`
	PushRegistration
}

// PushRegistration is how an app registers with the push service of its platform, as it tells us.
type PushRegistration struct {
	Kind string `json:"kind"` // webpush (also for UnifiedPush), fcm or apns

	Endpoint string   `json:"endpoint,omitempty"` // of webpush: the PushSubscription's URL
	Keys     PushKeys `json:"keys,omitzero"`      // of webpush

	Token   string `json:"token,omitempty"`   // of fcm and apns
	Topic   string `json:"topic,omitempty"`   // of apns: the app's bundle id, where the server knows more than one
	Sandbox bool   `json:"sandbox,omitempty"` // of apns: the token is of Apple's development service

	Show     string `json:"show,omitempty"`     // what a notification may show: all (without it), sender or none
	Mentions bool   `json:"mentions,omitempty"` // being mentioned in a muted chat is pushed
}

// PushKeys are those of a PushSubscription, in base64url (RFC 8291).
type PushKeys struct {
	P256dh string `json:"p256dh"`
	Auth   string `json:"auth"`
}

// PushSetReply is what was noted, without what reaches the device.
type PushSetReply struct {
	Kind     string `json:"kind"`
	Show     string `json:"show"`
	Mentions bool   `json:"mentions"`
}

// PushRemoveRequest forgets how a device is reached.
type PushRemoveRequest struct {
	User   fabric.UserID   `json:"user"`
	Device fabric.DeviceID `json:"device"`
}

// PushKeyRequest asks for the key that push services know this fabric by.
type PushKeyRequest struct{}

// PushKeyReply is its public half, as PushManager.subscribe takes it: base64url of an uncompressed point on P-256.
type PushKeyReply struct {
	Key string `json:"key"`
}

// PushNotifyRequest has a user notified by an internal service, without a message in any chat. The same cid again is the
// same notification.
type PushNotifyRequest struct {
	User    fabric.UserID `json:"user"`
	Service string        `json:"service"`
	From    fabric.UserID `json:"from"` // the service's account
	CID     string        `json:"cid"`
	Notice
}

// Notice is what a notification without a chat says.
type Notice struct {
	Title string `json:"title"`
	Body  string `json:"body,omitempty"`
	Link  string `json:"link,omitempty"` // an https URL, or a path on the app's own origin
}

// Bounds of a Notice, in bytes.
const (
	MaxNoticeTitle = 100
	MaxNoticeBody  = 1000
	MaxNoticeLink  = 1000
)

// PushNotifyReply tells to how many of the user's devices it is on its way.
type PushNotifyReply struct {
	Devices int `json:"devices"`
}

// PushTestRequest has a test pushed to all of a user's devices.
type PushTestRequest struct {
	User fabric.UserID `json:"user"`
}

// PushTestReply has an entry for each device that can be reached.
type PushTestReply struct {
	Devices []PushTested `json:"devices"`
}

// PushTested is how a test of a device ended.
type PushTested struct {
	Device fabric.DeviceID `json:"device"`
	Kind   string          `json:"kind"`
	Lane   string          `json:"lane"`             // the push service
	Result string          `json:"result"`           // ok, or what the service made of it, as in weft_push_sends_total
	Detail string          `json:"detail,omitempty"` // what the service says
	Millis int64           `json:"millis"`
}
