package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/users"
)

// signInFlags say how people sign in, and how often strangers may try.
type signInFlags struct {
	CodesPerPhone   int  `name:"codes-per-phone" env:"WEFT_CODES_PER_PHONE" default:"5" help:"One-time codes sent to one phone in an hour."`
	CodesPerAddress int  `name:"codes-per-address" env:"WEFT_CODES_PER_ADDRESS" default:"60" help:"One-time codes that one address may ask for in an hour."`
	CodesInAll      int  `name:"codes-in-all" env:"WEFT_CODES_IN_ALL" default:"100000" help:"One-time codes sent in an hour, in all: what a flood may cost at most."`
	TriesPerAddress int  `name:"tries-per-address" env:"WEFT_TRIES_PER_ADDRESS" default:"600" help:"Sign-ins that one address may try in an hour."`
	Codes           bool `env:"WEFT_CODES" default:"true" negatable:"" help:"Sign people in by codes that are sent to their phones; --no-codes where an issuer does it."`

	OTPWebhook    string `name:"otp-webhook" env:"WEFT_OTP_WEBHOOK" help:"Post one-time codes there, signed (Standard Webhooks), for whoever sends text messages. Without it a service of yours answers on the subject otp.send." placeholder:"URL"`
	OTPSecretFile string `name:"otp-webhook-secret-file" env:"WEFT_OTP_WEBHOOK_SECRET_FILE" help:"File that has the secret that signs them: whsec_ and 24 to 64 bytes in base64." placeholder:"FILE"`

	OIDCIssuer     string `name:"oidc-issuer" env:"WEFT_OIDC_ISSUER" help:"An organisation's OpenID Connect issuer that signs people in." placeholder:"URL"`
	OIDCName       string `name:"oidc-name" env:"WEFT_OIDC_NAME" help:"What people know it as." placeholder:"NAME"`
	OIDCClientID   string `name:"oidc-client-id" env:"WEFT_OIDC_CLIENT_ID" help:"What it knows this server as." placeholder:"ID"`
	OIDCSecretFile string `name:"oidc-secret-file" env:"WEFT_OIDC_SECRET_FILE" help:"File that has the client's secret." placeholder:"FILE"`
}

// signIn adds what the flags say to a node's configuration.
func (f signInFlags) signIn(to *node.Config) error {
	for name, n := range map[string]int{
		"codes-per-phone": f.CodesPerPhone, "codes-per-address": f.CodesPerAddress, "codes-in-all": f.CodesInAll, "tries-per-address": f.TriesPerAddress,
	} {
		if n < 1 {
			return fmt.Errorf("--%s: want 1 or more, got %d", name, n)
		}
	}
	to.Codes = users.Rates{CodesPerPhone: f.CodesPerPhone, CodesPerAddress: f.CodesPerAddress, Codes: f.CodesInAll, TriesPerAddress: f.TriesPerAddress}
	to.NoCodes = !f.Codes
	if f.OTPWebhook != "" {
		if f.OTPSecretFile == "" {
			return errors.New("--otp-webhook-secret-file is missing: the secret that signs what --otp-webhook is posted")
		}
		secret, err := os.ReadFile(f.OTPSecretFile)
		if err != nil {
			return fmt.Errorf("--otp-webhook-secret-file: %w", err)
		}
		to.SendCodes = node.Webhook{URL: f.OTPWebhook, Secret: strings.TrimSpace(string(secret))}
	}
	if f.OIDCIssuer == "" {
		if to.NoCodes {
			return errors.New("--no-codes leaves nobody a way in: name an --oidc-issuer")
		}
		return nil
	}
	to.OIDC = oidc.Config{Issuer: f.OIDCIssuer, Name: f.OIDCName, ClientID: f.OIDCClientID}
	if f.OIDCSecretFile != "" {
		secret, err := os.ReadFile(f.OIDCSecretFile)
		if err != nil {
			return fmt.Errorf("--oidc-secret-file: %w", err)
		}
		to.OIDC.ClientSecret = strings.TrimSpace(string(secret))
	}
	_, err := oidc.New(to.OIDC)
	return err //nolint:wrapcheck // it names the flag
}
