CREATE TABLE "accounts" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"plan" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "accounts_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"name" text NOT NULL,
	"digest" "bytea" NOT NULL,
	"ending" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "api_keys_digest_unique" UNIQUE("digest")
);
--> statement-breakpoint
CREATE TABLE "balances" (
	"account_id" text PRIMARY KEY NOT NULL,
	"balance" bigint NOT NULL,
	"held" bigint DEFAULT 0 NOT NULL,
	"paid_granted" bigint DEFAULT 0 NOT NULL,
	"contended_until" timestamp with time zone,
	CONSTRAINT "balances_not_negative" CHECK ("balances"."balance" >= 0),
	CONSTRAINT "balances_held_within_balance" CHECK ("balances"."held" >= 0 and "balances"."held" <= "balances"."balance")
);
--> statement-breakpoint
CREATE TABLE "entries" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "entries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"account_id" text NOT NULL,
	"kind" text NOT NULL,
	"amount" bigint NOT NULL,
	"request_id" text,
	"note" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "entries_not_zero" CHECK ("entries"."amount" <> 0),
	CONSTRAINT "entries_sign" CHECK (("entries"."amount" < 0) = ("entries"."kind" = 'charge')),
	CONSTRAINT "entries_kind" CHECK ("entries"."kind" in ('grant_paid', 'grant_free', 'charge', 'reversal'))
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"account_id" text NOT NULL,
	"process_id" text NOT NULL,
	"amount" bigint NOT NULL,
	"exact" boolean NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "leases_account_id_process_id_pk" PRIMARY KEY("account_id","process_id"),
	CONSTRAINT "leases_not_negative" CHECK ("leases"."amount" >= 0)
);
--> statement-breakpoint
CREATE TABLE "usage" (
	"request_id" text PRIMARY KEY NOT NULL,
	"account_id" text NOT NULL,
	"key_id" text NOT NULL,
	"deployment" text NOT NULL,
	"inputs" integer NOT NULL,
	"tokens" integer NOT NULL,
	"cost" bigint NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"reversed_at" timestamp with time zone,
	CONSTRAINT "usage_not_negative" CHECK ("usage"."inputs" >= 0 and "usage"."tokens" >= 0 and "usage"."cost" >= 0)
);
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "balances" ADD CONSTRAINT "balances_account_id_accounts_id_fk" FOREIGN KEY ("account_id") REFERENCES "public"."accounts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_keys_account" ON "api_keys" USING btree ("account_id");