// A service that forgets to forget: sessions stay in a map, and a few goroutines wait forever.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"time"
)

type session struct {
	id   int
	body [400]byte
}

var sessions = map[string]*session{}

func remember(i int) {
	sessions[fmt.Sprintf("user-%d", i)] = &session{id: i} // THE LEAK
}

func wait(never chan int) {
	<-never
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go http.Serve(listener, nil)
	for i := 0; ; i++ {
		remember(i)
		if i%1000 == 0 {
			go wait(make(chan int))
		}
		if i%100 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
}
