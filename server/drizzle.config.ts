import { defineConfig } from 'drizzle-kit'

// `npx drizzle-kit generate` writes the next migration after a change to the schema. Development only.
export default defineConfig({
  dialect: 'postgresql',
  schema: './src/storage/schema/*.ts',
  out: './src/storage/migrations',
})
