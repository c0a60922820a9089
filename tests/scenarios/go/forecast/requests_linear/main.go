// Requests that are remembered in a map for ever: even growth under a cgroup's limit that Go does not
// know of. The kernel ends it.
//
// limit: 200M
// under: cgroup
package main

import (
	"fmt"

	"scenarios/load"
)

type request struct {
	id   int
	body [200]byte
}

var requests = map[string]*request{}

func main() {
	go load.Every(7000, func(number int) {
		requests[fmt.Sprintf("request-%d", number)] = &request{id: number}
	})
	load.Serve()
}
