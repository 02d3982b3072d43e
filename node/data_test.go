package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDataFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	d, err := openData(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	if _, err := openData(dir); err == nil || !strings.Contains(err.Error(), "in use by another weft process (pid") {
		t.Errorf("a second one on it: %v", err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if d, err = openData(dir); err != nil {
		t.Fatalf("after the first is done: %v", err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, versionFile), []byte("99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openData(dir); err == nil || !strings.Contains(err.Error(), `has version "99"`) {
		t.Errorf("a folder of another version: %v", err)
	}
}

func TestForeignFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.doc"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openData(dir); err == nil || !strings.Contains(err.Error(), "no data folder of weft") {
		t.Errorf("open: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 2 {
		t.Errorf("it was written into: %v, %v", entries, err)
	}
}
