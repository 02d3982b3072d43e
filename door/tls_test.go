package door_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/weftest"
)

// certificate is one in files, which signs itself.
type certificate struct {
	door.TLS

	serial int64
}

func newCertificate(t *testing.T) *certificate {
	t.Helper()
	dir := t.TempDir()
	c := &certificate{TLS: door.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}}
	c.renew(t)
	return c
}

// renew writes a new certificate and key over those before.
func (c *certificate) renew(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.serial++
	about := &x509.Certificate{
		SerialNumber: big.NewInt(c.serial), Subject: pkix.Name{CommonName: "chat.weft.test"}, DNSNames: []string{"chat.weft.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{c.CertFile: {Type: "CERTIFICATE", Bytes: der}, c.KeyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// Some file systems' clocks stand for longer than this test takes.
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Duration(c.serial)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
}

// shown returns the serial number of the certificate that a client gets.
func shown(t *testing.T, d *opened) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", d.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// Certificates in files are read again when they change, without a restart; what is half-written leaves the one before.
func TestCertificatesAreReadAgain(t *testing.T) {
	c := newCertificate(t)
	d := open(t, door.Config{TLS: c.TLS})
	serve(t, d, hello)
	if n := shown(t, d); n != 1 {
		t.Errorf("certificate %d, want the first", n)
	}
	c.renew(t)
	if n := shown(t, d); n != 1 {
		t.Errorf("certificate %d: the files are looked at with every handshake", n)
	}
	door.LookAgain(d.Door)
	if n := shown(t, d); n != 2 {
		t.Errorf("certificate %d after a minute, want the second", n)
	}
	if err := os.WriteFile(c.CertFile, []byte("half of o"), 0o600); err != nil {
		t.Fatal(err)
	}
	door.LookAgain(d.Door)
	if n := shown(t, d); n != 2 {
		t.Errorf("certificate %d while a third is written, want the second", n)
	}
	c.renew(t)
	door.LookAgain(d.Door)
	if n := shown(t, d); n != 3 {
		t.Errorf("certificate %d, want the third", n)
	}
	if err := os.Remove(c.KeyFile); err != nil {
		t.Fatal(err)
	}
	door.LookAgain(d.Door)
	if n := shown(t, d); n != 3 {
		t.Errorf("certificate %d where the key is gone, want the third", n)
	}
}

// TLS is of a version that holds, and who speaks no TLS is counted.
func TestTLS(t *testing.T) {
	d := open(t, door.Config{TLS: newCertificate(t).TLS})
	serve(t, d, hello)
	if d.Scheme() != "https" {
		t.Errorf("the scheme is %s", d.Scheme())
	}
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", d.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
	if resp, _ := say(t, from(t, d, "127.0.0.1"), get); resp == nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP on the port of TLS: %v", resp)
	}
	weftest.Eventually(t, "those without a handshake are counted", func() bool {
		return weftest.Metric(t, d.metrics, "weft_door_unread_connections_total") >= 3
	})
	client := http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + d.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("a request by TLS: %s %s", resp.Proto, resp.Status)
	}
}
