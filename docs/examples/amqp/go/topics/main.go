// Topics: routing keys are words between dots; a pattern has * for one word and # for any number of them.
package main

import (
	"fmt"
	"log"

	"duolog.example/amqp/internal/broker"
)

func main() {
	connection, channel := broker.Connect()
	defer connection.Close()
	broker.Must(channel.ExchangeDeclare("example.animals", "topic", false, false, false, false, nil))

	expected := map[string]string{
		"*.orange.*": "[quick.orange.rabbit lazy.orange.elephant]",
		"*.*.rabbit": "[quick.orange.rabbit lazy.pink.rabbit]",
		"lazy.#":     "[lazy.orange.elephant lazy.pink.rabbit lazy]",
	}
	queues := map[string]string{}
	for pattern := range expected {
		queues[pattern] = broker.Queue(channel)
		broker.Must(channel.QueueBind(queues[pattern], pattern, "example.animals", false, nil))
	}

	for _, key := range []string{"quick.orange.rabbit", "lazy.orange.elephant", "lazy.pink.rabbit", "lazy", "quick.brown.fox"} {
		broker.Send(channel, "example.animals", key, key)
	}

	for pattern, texts := range expected {
		if found := fmt.Sprint(broker.Received(channel, queues[pattern])); found != texts {
			log.Fatalf("%s: %s", pattern, found)
		}
	}
	fmt.Println("each pattern matched what it should")
	broker.Must(channel.ExchangeDelete("example.animals", false, false))
}
