package main

import (
	"fmt"
	"os"
	"time"

	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/push"
)

// pushFlags say how devices are told of what comes while their app is not there.
type pushFlags struct {
	PushDelay   time.Duration `name:"push-delay" env:"WEFT_PUSH_DELAY" default:"2s" help:"How long a device has to take a message before it is pushed."`
	PushBulk    int           `name:"push-bulk-rate" env:"WEFT_PUSH_BULK_RATE" default:"500" help:"Notifications of large groups that a process sends in a second."`
	PushService []string      `name:"push-service" env:"WEFT_PUSH_SERVICE" help:"Allow a Web Push or UnifiedPush service beside those of the browsers: a host, *.host, or an origin, which may be in your own network." placeholder:"HOST,…"`
	FCMFile     string        `name:"fcm-credentials-file" env:"WEFT_FCM_CREDENTIALS_FILE" help:"Push to Android apps: the JSON key of a service account of your Firebase project." placeholder:"FILE"`
	APNsFile    string        `name:"apns-key-file" env:"WEFT_APNS_KEY_FILE" help:"Push to iOS apps: a .p8 key for APNs." placeholder:"FILE"`
	APNsKeyID   string        `name:"apns-key-id" env:"WEFT_APNS_KEY_ID" help:"The key's id." placeholder:"ID"`
	APNsTeamID  string        `name:"apns-team-id" env:"WEFT_APNS_TEAM_ID" help:"The team's id." placeholder:"ID"`
	APNsTopic   []string      `name:"apns-topic" env:"WEFT_APNS_TOPIC" help:"Bundle ids of the apps; the first one is for devices that name none." placeholder:"ID,…"`

	PushContact string `name:"push-contact" env:"WEFT_PUSH_CONTACT" help:"How push services reach whoever runs this: a mailto: or https: URL." placeholder:"URL"`
}

// push adds what the flags say to a node's configuration.
func (f pushFlags) push(to *node.Config) error {
	switch {
	case f.PushDelay < 0 || f.PushDelay > time.Minute:
		return fmt.Errorf("--push-delay: want up to a minute, got %s", f.PushDelay)
	case f.PushBulk < 1:
		return fmt.Errorf("--push-bulk-rate: want 1 or more, got %d", f.PushBulk)
	}
	to.Push = push.Config{Delay: max(f.PushDelay, time.Millisecond), BulkPerSecond: f.PushBulk, Services: f.PushService, Contact: f.PushContact}
	for _, file := range []struct {
		flag, path string
		into       *[]byte
	}{{"fcm-credentials-file", f.FCMFile, &to.Push.FCM.Credentials}, {"apns-key-file", f.APNsFile, &to.Push.APNs.Key}} {
		if file.path == "" {
			continue
		}
		data, err := os.ReadFile(file.path)
		if err != nil {
			return fmt.Errorf("--%s: %w", file.flag, err)
		}
		*file.into = data
	}
	to.Push.APNs.KeyID, to.Push.APNs.TeamID, to.Push.APNs.Topics = f.APNsKeyID, f.APNsTeamID, f.APNsTopic
	return to.Push.Validate() //nolint:wrapcheck // it names the flag
}
