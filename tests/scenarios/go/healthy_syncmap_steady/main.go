// Online users in a sync.Map: who comes is stored, who goes is deleted, 20 000 at any time.
//
// expect: healthy
package main

import (
	"fmt"
	"sync"

	"scenarios/load"
)

type user struct {
	name string
	seen int
}

var online sync.Map

func main() {
	go load.Every(3000, func(number int) {
		online.Store(number, &user{fmt.Sprintf("user-%d", number), number})
		online.Delete(number - 20000)
	})
	load.Serve()
}
