package client

import (
	"encoding/base64"
	"fmt"

	"github.com/nats-io/nkeys"
)

// DeviceKey is a device's user nkey. Tokens that were issued with its public half are worth nothing without it.
type DeviceKey struct{ pair nkeys.KeyPair }

// NewDeviceKey makes a key.
func NewDeviceKey() (*DeviceKey, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("client: make a device key: %w", err)
	}
	return &DeviceKey{pair}, nil
}

// ParseDeviceKey returns the key with this seed (SU…).
func ParseDeviceKey(seed []byte) (*DeviceKey, error) {
	prefix, _, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("client: device key: %w", err)
	}
	if prefix != nkeys.PrefixByteUser {
		return nil, fmt.Errorf("client: device key: want a user's seed (SU…), not a %s's", prefix)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("client: device key: %w", err)
	}
	return &DeviceKey{pair}, nil
}

// Seed returns what ParseDeviceKey takes. It is the secret.
func (k *DeviceKey) Seed() ([]byte, error) { return k.pair.Seed() }

// Public returns the public half (U…), for NewDevice.
func (k *DeviceKey) Public() (string, error) { return k.pair.PublicKey() }

// sign returns hello's sig: the signature of the nonce's bytes as base64url without padding.
func (k *DeviceKey) sign(nonce string) (string, error) {
	sig, err := k.pair.Sign([]byte(nonce))
	if err != nil {
		return "", fmt.Errorf("sign the nonce: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sig), nil
}
