package scan_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/media/blob"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/scan"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// eicar is the file that all scanners take for harmful, and which is not (https://www.eicar.org), in two pieces so that
// they leave this one alone.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-` + `ANTIVIRUS-TEST-FILE!$H+H*`

// clamd starts the real daemon with one signature, and returns its socket.
func clamd(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("clamd")
	if err != nil {
		if path = "/usr/sbin/clamd"; !exists(path) {
			t.Fatal("there is no clamd: scripts/needs.sh installs it")
		}
	}
	dir := t.TempDir()
	socket, conf := filepath.Join(dir, "s"), filepath.Join(dir, "clamd.conf")
	write(t, filepath.Join(dir, "test.hdb"), "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n")
	write(t, conf, fmt.Sprintf("DatabaseDirectory %s\nLocalSocket %s\nForeground yes\nLogFile %s\nStreamMaxLength 25M\n", dir, socket, filepath.Join(dir, "log")))
	cmd := exec.Command(path, "--config-file", conf)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only where it has ended
		_ = cmd.Wait()
	})
	weftest.Eventually(t, "clamd listens", func() bool {
		conn, err := net.Dial("unix", socket)
		return err == nil && conn.Close() == nil
	})
	return socket
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The role shows files to ClamAV's own daemon, and tells what it finds.
func TestClamd(t *testing.T) {
	n := weftest.StartNATS(t, natsconfig.FabricConfig{})
	role, err := scan.New(n.ConnectAs(t, subjects.RoleScan), n.ConnectAs(t, subjects.RoleScan), scan.Config{Shards: 1, Clamd: clamd(t), Bytes: 1 << 20},
		weftest.Logger(t), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	weftest.Run(t, role.Run)
	<-role.Ready()
	parts, err := blob.NewParts(n.ConnectAs(t, subjects.RoleMedia), 1)
	if err != nil {
		t.Fatal(err)
	}
	ask := n.ConnectAs(t, subjects.RoleMedia)
	for _, tc := range []struct {
		what, text, harmful string
	}{
		{"a text", "hello", ""},
		{"the test file", eicar, "Eicar-Test"},
		{"nothing", "", ""},
		{"more than it is shown", strings.Repeat("x", 3<<20), ""},
	} {
		id := fabric.NewMediaID()
		if err := parts.PutParts(t.Context(), id, []byte(tc.text)); err != nil {
			t.Fatal(err)
		}
		got, err := service.Call[contract.MediaScanReply](t.Context(), ask, subjects.MediaScan, contract.MediaScanRequest{Blob: id, Size: int64(len(tc.text))})
		if err != nil || got.Err != nil || !strings.HasPrefix(got.Harmful, tc.harmful) || tc.harmful == "" && got.Harmful != "" {
			t.Errorf("%s: %+v, %v, want %q", tc.what, got, err, tc.harmful)
		}
	}
	got, err := service.Call[contract.MediaScanReply](t.Context(), ask, subjects.MediaScan, contract.MediaScanRequest{Blob: fabric.NewMediaID(), Size: 5})
	if err != nil || got.Err == nil || got.Err.Code != fabric.CodeUnavailable {
		t.Errorf("a file that is not there: %+v, %v", got, err)
	}
}
