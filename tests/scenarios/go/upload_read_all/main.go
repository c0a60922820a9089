// An upload handler reads each body whole with io.ReadAll to hash it.
//
// expect: large-temporaries
package main

import (
	"crypto/sha1"
	"io"
	"strings"

	"scenarios/load"
)

var text = strings.Repeat("0123456789abcdef", 1<<16)

func upload(body io.Reader) [20]byte {
	whole, err := io.ReadAll(body) // <- keeps
	if err != nil {
		return [20]byte{}
	}
	return sha1.Sum(whole[:4096])
}

func main() {
	go load.Every(12, func(number int) {
		upload(io.LimitReader(strings.NewReader(text), int64(600000+number%300000)))
	})
	load.Serve()
}
