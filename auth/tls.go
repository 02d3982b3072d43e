package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Files of MakeTLS, and how long what is in them holds.
const (
	TLSCA      = "ca.pem"
	tlsCAKey   = "ca-key.pem"
	TLSCert    = "server.pem"
	TLSKey     = "server-key.pem"
	tlsCALife  = 10 * 365 * 24 * time.Hour
	tlsLife    = 397 * 24 * time.Hour // what browsers take at most
	tlsBackday = time.Hour            // for clocks that are behind
)

// MakeTLS makes a certificate for hosts, names or addresses, in dir, by an authority that is made with the first one and
// kept there: for trials, and for servers that only one's own processes talk to. It replaces server.pem; the authority
// stays.
func MakeTLS(dir string, hosts []string, now time.Time) error {
	if len(hosts) == 0 {
		return errors.New("want at least one host name or address")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make tls folder: %w", err)
	}
	ca, caKey, err := tlsAuthority(dir, now)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{
		Subject:   pkix.Name{CommonName: hosts[0]},
		NotBefore: now.Add(-tlsBackday), NotAfter: now.Add(tlsLife),
		KeyUsage: x509.KeyUsageDigitalSignature,
		// Servers of a cluster are also one another's clients.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			cert.IPAddresses = append(cert.IPAddresses, ip)
		} else {
			cert.DNSNames = append(cert.DNSNames, h)
		}
	}
	return writeCert(dir, TLSCert, TLSKey, cert, ca, caKey)
}

// tlsAuthority reads the folder's authority, or makes it.
func tlsAuthority(dir string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if _, err := os.Stat(filepath.Join(dir, tlsCAKey)); errors.Is(err, fs.ErrNotExist) {
		ca := &x509.Certificate{
			Subject: pkix.Name{CommonName: "weft"}, NotBefore: now.Add(-tlsBackday), NotAfter: now.Add(tlsCALife),
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		}
		if err := writeCert(dir, TLSCA, tlsCAKey, ca, nil, nil); err != nil {
			return nil, nil, err
		}
	}
	certPEM, err := os.ReadFile(filepath.Join(dir, TLSCA))
	if err != nil {
		return nil, nil, fmt.Errorf("authority: %w", err)
	}
	keyPEM, err := readSecret(filepath.Join(dir, tlsCAKey))
	if err != nil {
		return nil, nil, err
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, nil, fmt.Errorf("%s: the authority's files are not PEM", dir)
	}
	ca, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("authority: %w", err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("authority: %w", err)
	}
	return ca, key, nil
}

// writeCert makes a key, and a certificate of it that the parent signs, or that signs itself where that is nil.
func writeCert(dir, certFile, keyFile string, cert, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	if cert.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return fmt.Errorf("make serial number: %w", err)
	}
	if parent == nil {
		parent, parentKey = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	if err := writeFile(filepath.Join(dir, keyFile), keyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, certFile), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
